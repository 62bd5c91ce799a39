"""Handwriting from hand-drawn skeletons: a Hand is one writer, write() one word of hers as an ink mask and a character map.

No font and no handwriting sample is behind this file: every skeleton below was typed in by hand.

Notation of the tables. A line is a character, then its variants separated by '|' (a line that begins with '|' goes on with the same
character); a variant is strokes separated by ';'; a stroke is control points "x,y" run through by a smooth curve, in hundredths of the
ascender height: baseline 0, x-height 50, ascender 100, descender about -45. '!' after a point makes it a corner. In CURSIVE the first
stroke of a letter is the one that joins: it begins at the entry (0,12) and ends at the exit, whose x is the advance (an end far above
the x-height or below the baseline is no exit); later strokes are bars and dots. Capitals there have no entry, and an exit only if the
first stroke ends in '>'.

    python3 strokes.py OUT.png [SEED]          # a contact sheet of many writers
"""
import math
import random
import sys

import cv2
import numpy as np

cv2.setNumThreads(0)

DIGITS = """
0 32,99 12,88 2,50 12,8 30,0 50,14 56,52 48,88 30,100 20,96 | 36,92 14,86 2,50 14,6 32,0 52,20 54,60 44,90 24,98
| 24,100 8,75 2,38 10,4 22,0 36,20 40,60 34,92 20,98 | 28,96 8,74 2,36 14,4 30,0 50,22 52,62 38,94 28,88 42,78 64,82
| 34,80 10,70 0,36 16,4 38,0 62,18 66,50 52,78 28,82 | 22,94 6,70 2,34 16,2 36,4 52,34 50,72 36,96 30,97
| 30,100 6,70 8,16 30,0 52,30 50,80 28,100 22,97
1 18,100! 17,50 16,0 | 2,72 12,82 24,100! 23,50 22,0 | 0,48 14,68 32,100! 31,50 30,0 | 4,78 22,100! 22,0!; 2,0 42,1
| 4,80 16,92 22,98 20,60 16,10 14,-4 | 26,100 18,50 10,-2 | 0,74 22,100! 16,-4 | 8,82 16,98 14,40 16,8 26,2
2 4,78 14,96 32,99 46,84 40,60 20,26 2,2! 28,3 54,2 | 6,76 16,96 36,98 46,80 36,48 14,12 4,4 6,16 18,14 34,2 54,4
| 4,90 24,96 46,94! 24,44 2,2! 26,4 52,0 | 2,66 8,86 26,100 44,88 42,62 24,24 4,4! 20,10 38,0 58,8
| 14,66 4,76 12,94 32,100 48,82 38,48 16,14 2,0! 30,4 56,-2 | 8,84 26,98 42,84 34,50 12,8 2,4 10,14 26,6 46,-2 58,6
| 4,82 24,98 44,84 36,54 4,2! 50,0
3 4,86 20,99 40,92 42,70 28,54 16,52! 34,50 50,34 46,10 24,0 2,10 | 4,98! 46,98! 20,58! 40,54 50,32 42,8 20,0 2,10
| 4,84 18,98 38,94 40,70 26,54 14,52 20,58 34,52 50,34 44,8 20,-2 0,8 | 6,90 26,100 40,84 24,54! 42,46 48,20 26,0 2,6
| 6,88 24,98 40,86 36,66 20,52! 40,46 46,18 28,-8 0,-10 | 2,92 22,100 38,86 18,56 38,50 46,22 26,-2 0,4
4 16,96 3,40! 54,42; 40,70 36,-4 | 56,30! 2,30! 40,100! 38,0! | 22,98! 2,42! 50,46!; 40,64 32,-6
| 6,96 6,60 14,44 32,46 46,58; 48,96 44,40 42,-4 | 12,96 4,56 14,44 34,48 46,92! 40,40 36,-6 | 36,100! 2,34! 54,34!; 38,62 36,0
| 38,100! 2,32! 60,34!; 40,98 38,-4 | 10,94 4,52 16,42 54,48; 44,74 38,0
5 46,98! 12,96! 8,58! 26,64 46,52 50,28 36,4 16,0 2,10 | 10,96! 8,58! 28,64 48,48 48,20 30,0 4,6; 12,96 32,98 54,100
| 48,96 22,94 8,78 16,60 38,50 46,28 32,4 4,2 | 16,90 6,60! 30,58 46,38 38,10 14,-2 0,8; 18,93 40,98 62,104
| 50,100! 16,94! 6,56! 30,60 44,40 34,8 8,-6 | 14,94! 8,56! 36,60 46,30 28,2 2,4; 14,94 50,94
6 42,98 20,80 4,46 4,18 20,0 40,6 48,26 38,46 20,46 6,28 | 36,100 14,62 2,24 14,0 38,2 46,26 32,42 12,32 5,18
| 44,92 30,99 12,76 2,34 10,4 30,-2 48,14 44,38 24,42 8,26 | 30,100 8,50 4,12 22,-2 44,10 44,32 28,38 14,30
| 24,100 4,40 8,4 28,0 42,16 36,40 18,44 4,28
7 2,96! 48,98! 30,50 18,0 | 2,96! 48,98! 30,50 18,0; 10,50 46,54 | 2,84! 6,98 26,94 50,98! 32,52 22,-2; 10,48 48,52
| 2,90 12,98 28,94 48,98 34,60 24,30 20,-4 | 0,92 10,99 28,95 50,100! 30,44 20,-6; 12,44 50,50 | 4,82! 6,97! 50,97! 26,40 22,0
| 2,94! 44,98! 32,40 28,-8; 16,44 52,54
8 44,84 28,100 8,88 12,66 32,52 48,32 40,6 22,0 4,14 10,36 32,54 46,74 44,88
| 26,54 8,68 10,92 28,100 44,90 42,66 26,54 6,36 6,10 26,0 46,12 46,38 26,54
| 46,94 24,98 10,80 28,56 46,30 34,2 10,4 6,26 28,52 46,76 50,92 | 40,90 20,96 10,76 24,56 44,34 38,6 18,-2 4,16 16,40 38,62 48,86
| 26,98 10,88 10,66 26,56 42,66 42,88 24,98; 26,56 6,42 4,16 26,0 48,14 46,42 24,56
| 48,90 30,99 12,88 12,68 34,46 38,16 22,0 6,14 14,38 36,66 44,84 | 42,92 22,98 8,80 22,58 42,34 36,6 14,0 6,14 46,96
9 44,84 26,99 6,86 4,62 20,48 38,60 46,90! 44,50 42,0 | 44,86 24,98 4,80 8,54 28,50 44,72 46,90! 46,40 38,-6 18,-14 2,-4
| 42,70 26,48 6,58 6,84 24,100 44,88 46,56 36,20 16,-2 | 40,90 20,98 4,76 14,52 34,60 44,92! 42,50 34,-8
| 46,96 24,96 4,78 10,54 30,56 46,94! 34,40 28,-8 | 44,88 22,98 4,74 20,50 42,70 46,94! 40,30 26,0 6,2
"""

MARKS = """
. 4,3 6,1 | 2,6 7,0 | 3,4 4,2 7,3
, 6,6 8,0 2,-18 | 10,8 0,-22 | 4,6 8,2 7,-8 0,-16
- 0,40 32,42 | 0,38 14,44 34,40 | 0,30 46,34
= 0,50 36,52; 0,28 36,30 | 2,34 40,38; 0,16 38,18 | 0,44 30,50; 4,28 36,34
/ 36,104 0,-8 | 28,110 2,-20
: 4,3 6,1; 5,44 7,42 | 4,6 7,2; 5,40 6,36
; 6,6 8,0 2,-18; 7,44 9,42
( 18,108 4,70 4,20 18,-14 | 14,104 2,46 16,-10
) 0,108 14,70 14,20 0,-14 | 2,104 16,46 0,-10
' 4,102 2,80 | 6,104 8,96 0,80
" 2,102 0,80; 16,102 14,80 | 4,104 2,84; 14,104 12,84
$ 44,82 26,92 8,80 12,60 36,42 44,22 28,6 2,16; 26,108 24,-10 | 44,84 24,92 8,76 26,52 44,30 28,8 4,12; 20,106 18,-8; 32,106 30,-8
# 18,98 8,0; 44,98 34,0; 0,66 56,68; 0,30 54,32
& 52,0 14,72 20,96 36,90 32,66 6,34 6,8 24,0 52,40 | 44,86 26,98 14,80 32,54! 6,42 6,10 28,0 46,16; 26,112 25,-12
| 54,4 40,4 12,70 20,94 34,84 10,38 6,10 24,0 50,34
+ 24,66 24,14; 0,40 48,40 | 26,70 22,10; 0,38 50,42
* 18,92 18,56; 4,84 32,62; 32,86 4,62 | 0,50 36,50; 8,70 28,30; 28,70 8,30
! 6,100! 5,28; 5,3 7,1 | 12,104 6,30; 3,4 5,1
? 2,82 16,98 36,90 34,70 18,50 16,28; 16,3 18,1 | 4,86 24,100 38,82 20,54 18,30; 16,4 17,0
% 12,98 0,86 10,72 22,84 10,98; 54,100 4,0; 48,28 36,16 46,0 58,14 46,28 | 14,96 2,78 16,68 22,88 12,97; 52,96 6,4; 46,30 38,10 50,2 56,22 44,30
_ 0,-6 46,-4
@ 44,62 26,66 16,42 26,26 42,40 46,64! 46,34 58,30 66,56 52,88 22,88 0,56 8,12 34,0 62,10
"""

PRINT = """
a 40,42 24,50 6,40 2,18 14,1 30,8 40,44! 40,12 48,0 | 6,42 22,50 36,40 38,0!; 38,28 14,28 2,12 14,0 38,12
| 38,40 18,48 2,22 14,0 32,10 40,46! 42,6 52,2
b 4,100! 4,0!; 4,30 18,50 38,44 42,22 28,0 4,8 | 6,98 4,10 16,0 36,6 42,30 26,48 6,34
c 38,42 22,50 4,36 4,12 20,0 40,8 | 34,46 14,46 2,24 14,0 38,4
d 38,40 22,50 4,36 4,12 18,0 38,12; 40,100! 40,0! | 36,38 18,48 2,26 12,2 28,6 40,50 42,100! 40,20 50,0
e 4,26 40,28 32,48 16,50 2,30 8,4 24,0 40,8 | 4,22 24,26 38,38 26,50 8,42 4,16 18,0 38,6
f 36,92 24,100 14,88 14,0!; 2,52 30,52 | 34,96 20,96 16,60 14,-20; 2,48 30,52
g 38,42 22,50 4,38 4,14 18,2 34,12 40,48! 40,-20 24,-42 4,-34 | 36,40 16,48 2,24 16,4 34,18 40,48! 38,-16 24,-44 4,-28 22,-12 50,4
h 4,100! 4,0! 6,28 20,48 36,42 38,0! | 8,100! 4,0! 12,34 26,46 34,36 34,8 44,0
i 4,50! 4,0; 4,72 5,75 | 2,44 8,50! 8,8 16,0; 8,72 12,74
j 14,50! 14,-26 2,-42 -10,-34; 14,72 15,75
k 4,100! 4,0!; 34,48! 6,22! 36,0 | 6,100! 4,0! 6,24 30,46! 8,24! 36,0
l 4,100! 4,0 | 6,100 4,12 16,0
m 4,50! 4,0! 6,30 18,50 28,40 28,0! 30,30 42,50 54,40 54,0 | 2,46 8,48 6,0! 12,36 24,48 28,0! 34,36 48,48 50,8 60,0
n 4,50! 4,0! 6,30 22,50 36,40 36,0 | 2,46 8,48 6,0! 12,34 28,50 36,34 36,6 46,0
o 24,50 6,42 2,20 16,0 36,6 42,28 30,48 18,50 | 30,46 8,44 4,14 22,0 40,16 36,42 20,50
p 4,50! 4,-44!; 4,32 18,50 38,42 40,16 24,0 4,10 | 6,48! 2,-44! 8,30 24,50 40,36 34,8 14,2 4,10
q 38,42 20,50 4,36 4,12 18,0 38,14; 40,50! 40,-44! 50,-34
r 4,50! 4,0! 6,28 20,48 32,46 | 2,46 8,50! 6,0! 10,32 28,50
s 34,42 20,50 6,42 10,28 30,20 34,8 18,0 2,8 | 32,46 12,46 8,30 30,18 24,2 2,2
t 14,84! 14,10 24,0 34,6; 0,52 30,52 | 14,86! 12,0; 0,54 28,56
u 4,50! 4,14 16,0 34,10 38,50! 38,0 | 4,48 4,12 18,0 36,18 38,50! 38,10 48,0
v 2,50! 20,0! 38,50! | 2,48 8,42 18,0! 34,40 42,50
w 2,50! 14,0! 28,44! 42,0! 54,50! | 4,48 6,8 20,2 28,34 34,4 46,2 54,48
x 2,50! 38,0; 36,50 2,0 | 2,46 12,44 26,4 40,4; 38,48 2,-2
y 2,50! 20,4; 40,50! 20,2 6,-42 | 4,50 6,16 20,4 36,18 40,50! 38,-20 22,-42 4,-34
z 2,48! 36,48! 2,0! 40,0! | 2,46! 34,48! 2,2! 38,0!; 8,26 30,26
A 2,0! 28,100! 54,0; 10,36 46,36 | 2,0! 28,98! 50,0! 44,30 8,34
B 4,100! 4,0!; 4,98 36,98 46,78 32,54 4,52! 40,52 54,28 40,2 4,0 | 6,94! 2,0!; 0,90 30,100 44,80 14,54! 48,44 44,8 2,0
C 54,84 34,100 8,82 2,40 16,6 38,0 58,14 | 48,92 22,96 2,50 18,2 52,8
D 4,100! 4,0!; 2,99 34,94 56,62 50,24 28,2 2,0 | 8,96! 6,4! 40,6 60,50 40,92 0,98
E 50,98! 4,98! 4,0! 52,0!; 4,52 42,52 | 48,88 30,100 10,84 28,54! 4,30 14,2 34,0 54,14
F 4,98! 4,0!; 2,98 50,100; 4,54 40,54
G 54,84 32,100 8,82 2,40 16,6 38,0 54,14 54,42! 34,42! | 50,90 24,96 2,48 22,0 50,22 54,44! 30,40; 54,44 52,-4
H 4,100! 4,0!; 50,100! 50,0!; 4,52 50,52 | 6,98 2,0! 4,50! 48,54!; 52,100 48,0
I 4,100! 4,0! | 18,100! 18,0!; 2,99 34,99; 2,0 34,0
J 36,100! 36,24 22,0 2,12 | 36,98 34,14 16,-4 0,14; 14,98 56,99
K 4,100! 4,0!; 48,100! 6,44! 50,0! | 6,98 4,0; 46,98 8,48 24,50 50,0
L 4,100! 4,0! 46,0! | 8,98 4,6 16,0 46,4
M 2,0! 6,100! 32,24! 58,100! 62,0! | 4,98! 2,0!; 4,98! 30,30! 56,98! 58,0
N 4,0! 4,100! 50,0! 50,100! | 2,0 8,98! 44,2! 54,104
O 32,100 8,84 2,44 16,4 38,0 60,20 62,62 48,94 26,99 | 40,96 10,88 2,36 28,0 58,24 56,80 30,100
P 4,100! 4,0!; 2,98 36,98 48,76 34,50 4,48 | 8,92! 4,0; 0,88 30,102 48,76 8,44
Q 32,100 8,84 2,44 16,4 38,0 60,20 62,62 48,94 26,99; 38,26 66,-8
R 4,100! 4,0!; 2,98 36,98 48,76 34,52 6,50! 50,0! | 8,94 2,0; 0,90 30,102 46,78 10,48! 26,46 52,0
S 48,88 28,100 8,86 12,62 38,44 48,22 32,0 2,12 | 44,94 18,96 12,66 40,38 30,2 0,8
T 26,98! 26,0; 0,98 54,98 | 30,96 24,0; 0,94 58,102
U 4,100! 4,26 18,0 42,6 52,40 52,100! | 4,98 6,20 24,0 46,20 50,98! 50,12 60,0
V 2,100! 28,0! 54,100! | 2,94 10,96 26,0! 50,96 58,98
W 2,100! 18,0! 36,84! 54,0! 70,100! | 2,98 10,10 22,4 36,70 44,6 56,4 70,100
X 2,100! 52,0!; 50,100! 2,0!
Y 2,100! 26,50!; 50,100! 26,50! 26,0! | 2,98 10,60 28,50 46,98! 30,20 16,-8
Z 2,98! 50,98! 2,0! 54,0! | 4,92 24,98 50,98! 2,2! 54,4; 12,50 42,50
"""

CURSIVE = """
a 0,12 12,34 29,48 18,47 8,22 16,1 28,14 38,48! 37,14 44,0 54,12 | 0,12 10,32 26,46! 14,48 6,22 14,0 28,14 36,46! 35,10 42,0 52,12
b 0,12 22,64 28,94 20,99 14,70 14,14 24,0 36,12 36,38 30,47 36,40 50,44 | 0,12 18,60 18,96! 14,16 24,0 36,12 36,38 28,46 36,40 50,43
c 0,12 12,38 28,47! 20,50 10,34 10,12 20,0 32,3 42,12 | 0,12 14,36 26,50 31,43 27,40! 24,48 10,34 10,10 22,0 42,12
d 0,12 12,34 29,48 18,47 8,22 16,1 28,14 40,60 41,98! 39,14 46,0 56,12 | 0,12 12,34 28,47 16,47 6,22 14,0 28,14 42,92 36,98 35,14 44,0 54,12
e 0,12 16,19 32,37 24,50 11,40 9,14 20,0 32,3 42,12 | 0,12 17,20 30,38 20,49 8,34 11,8 24,0 42,12 | 0,12 20,24 30,42 22,50 10,38 10,12 20,0 32,3 42,12
f 0,12 20,58 28,94 20,99 14,60 12,-10 10,-42 18,-44 24,-20 18,2 28,6 42,12 | 0,12 18,56 30,96 22,98 14,50 10,-10 6,-44 0,-32 14,-6 40,12
| 0,12 18,60 30,96 24,99 16,60 12,-40!; 2,40 16,46 40,46
g 0,12 12,34 29,48 18,47 8,22 16,1 28,14 38,48! 36,0 34,-34 22,-44 14,-30 28,-8 54,12
| 0,12 12,32 28,47 14,47 6,22 14,1 28,14 38,48! 36,-16 24,-44 4,-34
h 0,12 20,60 26,94 18,97 14,60 14,0! 18,28 30,48 40,44 40,12 46,0 56,12 | 0,12 16,62 18,98! 14,0! 20,34 34,48 38,34 37,10 44,0 54,12
i 0,12 16,50! 16,14 24,0 34,12; 18,74 19,76 | 0,12 14,48! 13,10 22,0 34,12; 20,70 26,74
j 0,12 18,50! 16,0 14,-34 4,-44 -4,-30 10,-8 36,12; 20,74 21,76
k 0,12 20,60 26,94 18,97 14,60 14,0! 18,30 32,48 36,36 20,24! 32,16 40,0 52,12 | 0,12 18,64 20,98! 14,0! 16,26 36,46! 18,24! 34,4 42,0 54,12
l 0,12 18,54 26,92 20,99 14,70 14,14 22,0 34,12 | 0,12 18,60 20,98! 14,14 22,0 34,12
m 0,12 7,40 13,49 18,40 18,0! 22,30 33,49 40,40 40,0! 44,30 55,49 62,40 62,12 68,0 78,12
| 0,12 12,50! 14,0! 18,34 28,48 34,36 34,0! 38,34 50,48 54,34 54,10 62,0 72,12
n 0,12 6,38 13,49 18,40 18,0! 22,30 34,49 41,40 41,12 48,0 58,12 | 0,12 12,50! 14,0! 18,34 30,48 36,36 36,10 44,0 54,12
o 0,12 10,36 24,49 12,44 7,20 16,1 30,8 34,32 24,48 28,41 46,44 | 0,12 8,34 20,48 8,38 8,10 20,0 32,18 28,44 18,46 28,38 44,42
p 0,12 14,52! 14,0 13,-42! 16,20 26,47 37,46 41,14 48,0 58,12 | 0,12 14,52! 14,0 13,-42! 16,26 28,49 40,40 40,12 28,0 16,8! 32,0 54,12
q 0,12 12,34 29,48 18,47 8,22 16,1 28,14 38,48! 36,0 34,-40 42,-40 46,-16 58,12
r 0,12 13,53 19,45 32,46! 29,14 36,0 46,12 | 0,12 6,38 13,49 17,40 17,0! 20,28 30,49 36,42 44,44 | 0,12 12,48! 14,0! 18,34 30,50 36,44 44,44
s 0,12 15,38 22,54! 26,38 36,18 24,-1 6,7! 22,2 44,12 | 0,12 17,42 24,54 24,42 35,16 22,-1 8,6 26,2 44,12
| 0,12 14,36 20,53! 26,34 33,15 22,0 8,6! 26,1 42,12
t 0,12 18,60 19,82! 18,14 26,0 36,12; 6,58 34,60 | 0,12 16,60 17,78! 15,10 24,0 36,12; 4,54 22,58 44,62
u 0,12 14,50! 14,12 22,0 32,10 38,50! 38,12 46,0 56,12
v 0,12 6,38 12,49 18,36 22,4 28,1 38,24 38,47 42,41 54,44
w 0,12 14,50! 14,12 22,0 34,12 38,50! 38,12 46,0 58,16 58,46 61,41 74,44 | 0,12 6,38 12,49 16,34 20,2 26,2 36,48! 38,4 46,2 56,24 56,47 60,41 72,44
x 0,12 6,38 13,49 20,38 26,8 34,0 46,12; 40,50 6,0
y 0,12 6,38 13,49 18,38 18,10 26,0 36,12 40,50! 38,0 36,-34 24,-44 16,-30 30,-8 56,12 | 0,12 12,50! 14,10 22,0 34,14 38,50! 35,-12 22,-43 4,-36
z 0,12 6,38 14,50 30,48 24,26 8,4! 20,10 26,-14 16,-42 8,-32 22,-8 46,12 | 0,12 6,44 16,50 32,46! 6,2! 22,6 46,8
~ 0,12 22,64 30,96 23,98 16,50 14,-10 8,-42 1,-36 12,-10 38,12
A 0,10 8,0 24,30 48,98! 46,20 54,0 66,12>; 20,36 54,40 | 46,88 24,84 4,40 10,4 26,0 44,40 50,96! 48,14 56,0 68,12>
B 0,70 14,92 40,100 52,84 40,60 26,54! 46,50 56,28 42,2 22,4 16,16; 26,92 20,40 14,4 2,4
C 44,76 53,92 42,99 16,72 6,30 20,0 42,4 60,12> | 34,88 42,100 28,94 10,56 6,16 20,0 36,10 38,28 28,34 24,24 | 50,84 36,100 10,76 4,30 22,0 56,12>
D 30,90 22,30 10,4 2,10 16,10 36,0 58,24 62,64 46,94 16,98 4,80 12,70
E 52,86 40,100 22,88 26,60 38,54! 14,44 8,14 24,0 46,4 60,12>
F 42,92 34,40 26,6 10,0 2,14; 4,78 14,92 36,92 66,98; 22,48 52,52
G 44,78 52,92 40,100 14,74 8,36 24,26 42,42 48,56! 44,0 34,-34 18,-40 10,-28 28,-8 64,12>
| 50,84 36,100 10,76 4,30 22,2 46,16 52,46! 48,-10 34,-30 20,-24
H 52,100 44,60 42,14 50,0 62,12>; 0,84 12,98 18,90 14,40 8,4 0,6; 12,46 50,56
I 0,60 12,84 34,99 30,50 22,6 8,0 2,14 20,20
J 0,70 14,92 34,98! 30,20 26,-34 12,-42 4,-30 22,-8 46,12>
K 52,98 36,70 16,48! 30,40 40,8 50,0 62,12>; 0,84 14,98 18,88 12,0!
L 0,70 20,66 40,86 36,100 26,90 20,30 8,2 2,8 12,14 30,2 46,0 60,12>
M 0,4 8,2 22,98! 26,0! 52,98! 52,14 60,0 72,12>
N 0,4 8,4 20,98! 44,0! 54,70 68,100
O 30,98 8,76 4,30 20,0 42,10 54,50 46,88 30,98 26,82 44,74 62,82 | 32,100 8,80 4,30 22,0 50,20 54,70 30,99
P 0,72 14,94 40,100 52,80 40,54 20,52; 24,92 18,40 12,4 0,6
Q 30,98 8,76 4,30 20,0 42,10 54,50 46,88 28,98; 24,12 38,10 66,-10
R 0,72 14,94 40,100 52,80 40,56 22,52! 38,40 46,10 54,0 66,12>; 24,92 18,40 12,4 0,6
S 0,12 20,40 44,84 40,100 28,92 28,66 40,40 34,8 16,0 2,10 10,22
T 42,90 34,40 26,6 10,0 2,12; 4,76 14,92 40,90 66,98
U 0,82 10,98 16,88 12,30 22,0 40,14 52,98! 50,14 58,0 70,12>
V 0,82 10,98 18,84 22,20 26,0 42,40 52,84 62,98
W 0,84 10,98 16,80 20,0! 44,96! 48,0! 64,60 72,98
X 0,84 10,98 20,84 36,14 48,0 60,12>; 52,98 2,0
Y 0,84 10,98 16,86 14,56 26,44 44,60 52,98! 46,10 38,-34 24,-42 16,-30 32,-8 64,12>
Z 4,82 14,98 48,96! 6,6! 22,10 30,-16 20,-40 8,-32 24,-8 54,12>
"""
LAST = """
d 0,12 12,32 28,42 16,45 6,22 14,1 28,4 38,28 36,62 24,90 8,96
"""
LONG_S = '~'                                    # the old s that begins a double s, a glyph of CURSIVE


def _table(text):
    """{character: [variant]}; a variant is (points [n,2], corner flags [n], stroke lengths, True if the first stroke has an exit)."""
    table = {}
    for line in text.replace('\n|', ' |').strip().splitlines():
        name, variants = line[0], []
        for variant in line[1:].split('|'):
            strokes = [s.split() for s in variant.split(';')]
            points = [p for s in strokes for p in s]
            variants.append((np.array([[float(v) for v in p.strip('!>').split(',')] for p in points], np.float32) / 100,
                             np.array(['!' in p for p in points]), [len(s) for s in strokes], strokes[0][-1].endswith('>')))
        table[name] = variants
    return table


DIGITS, MARKS, PRINT, CURSIVE, LAST = (_table(t) for t in (DIGITS, MARKS, PRINT, CURSIVE, LAST))
CAN_WRITE = frozenset(DIGITS) | frozenset(MARKS) | frozenset(PRINT) | {' '}
STEPS = 8                                       # curve pieces between two control points
_t = np.arange(STEPS, dtype=np.float32) / STEPS
HERMITE = np.stack([2 * _t ** 3 - 3 * _t ** 2 + 1, _t ** 3 - 2 * _t ** 2 + _t, 3 * _t ** 2 - 2 * _t ** 3, _t ** 3 - _t ** 2], 1)


def curves(points, corner, lengths):
    """The centripetal Catmull-Rom curve through every stroke's control points: [sum((n - 1) * STEPS + 1), 2] and the strokes' lengths.
    Tangents at corners and ends are those of a natural spline."""
    ends = np.cumsum(lengths)
    last = np.zeros(len(points), bool)
    last[ends - 1] = True
    stop = corner | last
    stop[ends[:-1]] = stop[0] = True
    d = points[1:] - points[:-1]
    k = np.sqrt(np.maximum(np.hypot(d[:, 0], d[:, 1]), 1e-6))[:, None]
    v = d / k
    m = np.zeros_like(points)                   # dP/dt with t running by sqrt(distance)
    m[1:-1] = (v[:-1] * k[1:] + v[1:] * k[:-1]) / (k[:-1] + k[1:])
    m1, m2 = m[:-1] * k, m[1:] * k
    a, b = stop[:-1, None], stop[1:, None]
    m1, m2 = (np.where(a, np.where(b, d, 1.5 * d - .5 * m2), m1), np.where(b, np.where(a, d, 1.5 * d - .5 * m1), m2))
    curve = np.einsum('sk,nkc->nsc', HERMITE, np.stack([points[:-1], m1, points[1:], m2], 1))
    keep = np.ones((len(points), STEPS), bool)
    full = np.empty((len(points), STEPS, 2), np.float32)
    full[:-1], full[last] = curve, points[last][:, None]
    keep[last, 1:] = False
    return full[keep], [(n - 1) * STEPS + 1 for n in lengths]


def extent(points):
    """Left and right end of the points between baseline and ascender."""
    x = points[:, 0][(points[:, 1] > -.15) & (points[:, 1] < 1.2)]
    x = x if len(x) else points[:, 0]
    return float(x.min()), float(x.max())


class Hand:
    """One writer: how each character is formed, slant, proportions, pen. Drawn from r; the same seed gives the same writer."""

    def __init__(self, r):
        self.seed = r.getrandbits(32)
        self.mode = r.choices(['print', 'loose', 'cursive', 'copperplate'], [.35, .13, .22, .30])[0]
        old, u = self.mode == 'copperplate', r.random()
        self.haste = r.betavariate(1.3, 2.2)                                       # 0 careful .. 1 hasty
        self.slant = r.uniform(.5, 1.1) if old else max(-.3, r.gauss(.08, .16)) if u < .5 else r.uniform(.15, .75)
        self.digit_slant = self.slant * r.uniform(.5, 1) if old else self.slant
        self.wide = (r.uniform(.85, 1.65) if old else r.uniform(.8, 1.3)) * (1 + .2 * max(0, self.slant))
        self.digit_wide = r.uniform(.8, 1.35) * (1 + .4 * max(0, self.digit_slant))
        self.x_height = r.uniform(.34, .5) if old else r.uniform(.4, .64)
        self.tail = r.uniform(.7, 1.25)                                            # length of descenders
        self.gap = r.uniform(.04, .22) * self.wide
        self.digit_gap = r.choice([r.uniform(-.06, .06), r.uniform(.04, .2), r.uniform(.08, .45)])
        self.join = {'print': 0, 'loose': .35, 'cursive': .97, 'copperplate': .985}[self.mode]
        self.drag = r.uniform(.3, .9) if r.random() < .12 + .2 * self.haste else 0  # pen not lifted between digits
        self.lead = r.random() * (1 if old else .6)                                # how often a word begins with an upstroke
        self.long_s = old and r.random() < .4
        self.stray = r.choice([0, .05, .15])                                       # how often another variant slips in
        self.fixed, self.loose = r.uniform(.006, .03), r.uniform(.004, .012) + .02 * self.haste
        self.odd = r.uniform(.3, 1.3)                                              # how far her forms lie from the school's
        self.cents = r.random() < .12                                              # writes 25.00 with small raised cents
        self.smooth = .22 * self.haste * r.random()
        self.round = self.haste * r.random()
        self.size = r.uniform(.01, .05) + .06 * self.haste
        self.zero = r.uniform(.55, 1) if r.random() < .4 else r.uniform(.9, 1.02)
        self.drift = r.gauss(0, .025)
        self.pen = 'pointed' if old and r.random() < .85 else r.choices(['ball', 'felt', 'pointed', 'broad'], [.5, .25, .12, .13])[0]
        self.width = r.uniform(*{'ball': (.03, .09), 'felt': (.07, .135), 'pointed': (.05, .125), 'broad': (.06, .13)}[self.pen])
        self.hair = r.uniform(.16, .55)
        if self.mode != 'print':
            self.width = min(self.width, .26 * self.x_height)                      # or the eyes of the letters clog
        self.nib = r.uniform(.3, 1.1)
        self.pressure = r.uniform(0, .3)
        self.blot = r.random() < .3
        self.pale = r.uniform(0, .5) if r.random() < .5 else 0
        self.mixed = {'loose': r.uniform(.1, .6), 'cursive': r.choice([0, .12])}.get(self.mode, 0)     # printed letters among the joined
        self.glyphs = {}

    def _glyph(self, r, c, last):
        """The writer's own form of c as (points, corners, lengths, has an exit, has an entry): her favourite variant or, now and then,
        another; last: no letter follows."""
        own, old = random.Random(self.seed ^ ord(c) * 7919), self.mode == 'copperplate'
        table = DIGITS if c in DIGITS else MARKS if c in MARKS else PRINT if self.mode == 'print' else CURSIVE
        if table is CURSIVE and (c.isupper() and (self.seed >> 8) % 10 < (2 if old else 5) or own.random() < self.mixed and c != LONG_S):
            table = PRINT
        if last and old and c in LAST and self.seed % 2:
            table = LAST
        variants = table[c]
        k = own.randrange(len(variants)) if r.random() >= self.stray else r.randrange(len(variants))
        key = id(table), c, k
        if key not in self.glyphs:
            points, corner, lengths, leaves = variants[k]
            rng = np.random.RandomState(own.getrandbits(32))
            points = points + rng.randn(*points.shape).astype(np.float32) * self.fixed
            stretch, tall, lean, bow, rise, turn = rng.randn(6).astype(np.float32) * self.odd * (.11, .05, .05, .1, .025, .04)
            x, y = points[:, 0].copy(), points[:, 1].copy()
            if c not in CURSIVE or c.isupper():
                points[:, 0] += lean * (y - .5) + bow * y * (1 - y)
                points[:, 1] += turn * (x - .25) * (y > .1) + (rise if c.isdigit() else 0)
            points *= np.float32([1 + stretch, 1 + tall]) * (self.zero if c == '0' else 1)
            y = points[:, 1]
            if c.isdigit():
                points[:, 0] *= self.digit_wide
            elif c.isalpha() or c == LONG_S:
                points[:, 0] *= self.wide
                if not c.isupper():
                    x = self.x_height
                    points[:, 1] = np.where(y < 0, y * self.tail, np.where(y < .5, y * 2 * x, x + (y - .5) * 2 * (1 - x)))
            corner = corner & (rng.rand(len(corner)) >= self.round)
            enters = (table is CURSIVE or table is LAST) and not c.isupper()
            self.glyphs[key] = points, corner, lengths, leaves or (enters and .03 < points[lengths[0] - 1, 1] < .7), enters
        return self.glyphs[key]

    def _layout(self, r, rng, text):
        """Strokes of the text in the unslanted frame of unit height: a list of [points, corners], and the characters' x borders."""
        strokes, borders, pen, leave, path = [], [], 0., None, 0
        numeric = sum(c.isdigit() for c in text) * 2 > len(text)
        gap = self.digit_gap if numeric else self.gap
        raised = len(text) - 2 if self.cents and text[-3:-2] in ('.', ',') and text[-2:].isdigit() else len(text)
        for i, c in enumerate(text):
            if c == ' ':
                borders.append(pen + .1)
                pen, leave = pen + r.uniform(.35, .6), None
                continue
            if c == 's' and self.long_s and text[i + 1:i + 2] == 's':
                c = LONG_S
            last = i + 1 == len(text) or not text[i + 1].isalpha()
            points, corner, lengths, leaves, enters = self._glyph(r, c, last)
            spread = self.loose * (1 if c not in MARKS else .5)
            points = points + rng.randn(*points.shape).astype(np.float32) * spread
            points *= 1 + self.size * rng.randn()
            if i >= raised:
                points = points * .6 + np.float32([0, .38])
            points[:, 0] += points[:, 1] * (.03 + .05 * self.haste) * rng.randn()
            points[:, 1] += (.01 + .03 * self.haste) * rng.randn()
            first, joined = lengths[0], enters and leave is not None and r.random() < self.join
            if joined:                          # on through the entry point, or straight from the top of o, v, w to the second point
                high = leave[1] > .6 * self.x_height
                points[:, 0] += leave[0] - points[0, 0] - (.05 * self.wide if high else 0) + .12 * self.gap * rng.randn()
                borders.append(leave[0])
                if not high:
                    strokes[path][0][-1] = (leave + points[0]) / 2
                points, corner, lengths, extend = points[1:], corner[1:], [first - 1] + lengths[1:], path
            else:
                if enters and c != 's' and r.random() >= (self.lead if points[1, 1] < .55 else .8):         # no upstroke; rare before a loop
                    points, corner, lengths = points[1:], corner[1:], [first - 1] + lengths[1:]
                room = gap * (1 + .35 * rng.randn()) * (.3 if enters and leave is not None else 1) + self.width * (.5 if numeric else .3)
                room = room if strokes else 0
                if c in '.,' or (i and text[i - 1] in '.,'):
                    room = max(room, .04) * r.uniform(.6, 1.3) + .03 + .5 * self.width
                points[:, 0] += pen + room - extent(points)[0]
                borders.append(pen + room / 2)
                extend, path = None, len(strokes)
                if i and c.isdigit() and text[i - 1].isdigit() and r.random() < self.drag:
                    step = points[0] - strokes[-1][0][-1]
                    extend = len(strokes) - 1 if np.hypot(*step) < .5 and step[0] > -.1 else None
            parts, at = [], 0
            for n in lengths:
                parts.append([points[at:at + n], corner[at:at + n]])
                at += n
            if extend is not None:
                strokes[extend] = [np.concatenate(pair) for pair in zip(strokes[extend], parts.pop(0))]
            strokes += parts
            main = points[:lengths[0]] if enters else points
            pen = extent(main)[1]
            leave = points[lengths[0] - 1] if leaves else None
        borders.append(pen)
        return strokes, borders

    def _widths(self, curve, rng):
        """Pen width along the curve in units of the writer's full width."""
        d = np.empty_like(curve)
        d[1:-1], d[0], d[-1] = curve[2:] - curve[:-2], curve[1] - curve[0], curve[-1] - curve[-2]
        n = np.hypot(d[:, 0], d[:, 1]) + 1e-6
        if self.pen == 'pointed':
            w = self.hair + (1 - self.hair) * np.clip(d[:, 1] / n * 1.15, 0, 1) ** 1.5
        elif self.pen == 'broad':
            w = self.hair + (1 - self.hair) * np.abs(d[:, 0] * math.sin(self.nib) + d[:, 1] * math.cos(self.nib)) / n
        else:
            w = np.ones(len(curve), np.float32)
        if self.pressure > .05:
            slow = rng.randn(len(curve) // 12 + 2)
            w = w * (1 + self.pressure * .5 * np.interp(np.arange(len(curve)) / 12, np.arange(len(slow)), slow))
        return np.convolve(np.pad(w, 3, 'edge'), np.full(7, 1 / 7), 'valid')

    def write(self, r, text, height):
        """mask float32 [h,w] in 0..1 ink coverage; chars uint8 [h,w]: i + 1 where character i of text lies (a slanted box between its
        neighbours, full glyph height, 0 elsewhere), with a padding of about 0.4 * height around; None if a character has no skeleton or
        there is nothing to draw. height: ascender size in px, about 24-64. r: the dice of this word."""
        if not text.strip() or len(text) > 250 or not CAN_WRITE.issuperset(text):
            return None
        rng = np.random.RandomState(r.getrandbits(32))
        strokes, borders = self._layout(r, rng, text)
        strokes = [s for s in strokes if len(s[0]) > 1]
        lengths = [len(s[0]) for s in strokes]
        points, corner = np.concatenate([s[0] for s in strokes]), np.concatenate([s[1] for s in strokes])
        if self.smooth > .02:
            ends = np.cumsum(lengths)
            inner = np.ones(len(points), bool)
            inner[ends - 1] = inner[ends[:-1]] = inner[0] = False
            points[inner] += self.smooth * ((points[np.flatnonzero(inner) - 1] + points[np.flatnonzero(inner) + 1]) / 2 - points[inner])
        numeric = sum(c.isdigit() for c in text) * 2 > len(text)
        slant = (self.digit_slant if numeric else self.slant) + .03 * r.gauss(0, 1)
        drift = self.drift + .015 * r.gauss(0, 1)
        wave, phase = .03 * self.haste * r.random(), r.random() * 6.28
        points[:, 1] += drift * points[:, 0] + wave * np.sin(points[:, 0] * 2.5 + phase)
        points[:, 0] += slant * points[:, 1]
        points[:, 1] *= -1
        curve, counts = curves(points, corner, lengths)

        fine = 3 if height < 40 else 2
        scale = height * fine
        full = max(1.6, self.width * (1 + .06 * r.gauss(0, 1)) * scale)
        low, high = curve.min(0), curve.max(0)
        pad = .4 + self.width / 2
        w, h = (math.ceil((high[k] - low[k] + 2 * pad) * height) for k in (0, 1))
        origin = pad - low
        canvas = np.zeros((h * fine, w * fine), np.uint8)
        pixel = ((curve + origin) * (scale * 16)).astype(np.int32)
        plain = self.pen in ('ball', 'felt') and self.pressure <= .12
        if not plain:
            wide = self._widths(curve, rng)
            shade = (255 * (1 - .6 * self.pale * np.clip(1 - wide, 0, 1))).astype(int).tolist()
            wide = np.rint(np.maximum(wide * full, .022 * scale)).astype(int).tolist()
            dots = list(map(tuple, pixel.tolist()))
        at = 0
        for n in counts:
            if plain:
                cv2.polylines(canvas, [pixel[at:at + n]], False, 255, max(1, round(full)), cv2.LINE_8, 4)
            else:
                for k in range(at, at + n - 1):
                    cv2.line(canvas, dots[k], dots[k + 1], shade[k], wide[k], cv2.LINE_8, 4)
            at += n
        mask = cv2.resize(canvas, (w, h), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        mask = self._ink(r, rng, mask, height)

        chars = np.zeros((h, w), np.uint8)
        top, bottom = int((low[1] + origin[1] - self.width / 2) * height) - 1, int((high[1] + origin[1] + self.width / 2) * height) + 2
        y0, y1 = top / height - origin[1], bottom / height - origin[1]
        borders[0], borders[-1] = borders[0] - .06, borders[-1] + .06
        for i, (a, b) in enumerate(zip(borders, borders[1:])):
            box = [(a - slant * y0, y0), (b - slant * y0, y0), (b - slant * y1, y1), (a - slant * y1, y1)]
            cv2.fillConvexPoly(chars, np.rint((np.array(box) + origin) * height).astype(np.int32), i + 1)
        return mask, chars

    def _ink(self, r, rng, mask, height):
        """Uneven ink: slow changes of coverage, paper grain that a dry ball-point skips, bleeding of wet ink."""
        h, w = mask.shape
        if self.blot:
            soft = cv2.GaussianBlur(mask, (0, 0), max(.5, .02 * height))
            mask = np.clip(soft * 1.5 - .15, 0, 1)
        if self.pale and r.random() < .7:
            k = height // 4 + 2
            slow = cv2.resize(rng.rand(h // k + 2, w // k + 2).astype(np.float32), (w, h), interpolation=cv2.INTER_LINEAR)
            mask = mask * (1 - self.pale * slow)
            if self.pen == 'ball' and r.random() < .4:
                mask = mask * np.clip(.5 + rng.rand(h, w).astype(np.float32), 0, 1)
        return np.ascontiguousarray(mask, np.float32)


def sheet(path, seed=0):
    """A contact sheet: a row is a writer; two words have their character maps laid under them in colour."""
    words = ['1,068', '25754', '62.974', '#3890-17=', 'the', 'Drummer', 'properly', 'awkward', 'fabric', 'jumping', 'quickly',
             'vex', 'Company', 'Hazel']
    rows = []
    for n in range(26):
        hand, row = Hand(random.Random(seed * 1000 + n)), []
        for k, word in enumerate(words):
            mask, chars = hand.write(random.Random(n * 100 + k), word, 36)
            img = np.repeat(255 - mask[..., None] * 235, 3, 2)
            if k in (1, 6):
                tint = np.float32([[255, 255, 255], [255, 220, 200], [200, 255, 220], [220, 200, 255]])
                img = img * tint[np.where(chars > 0, chars % 3 + 1, 0)] / 255
            row.append(img)
        high = 92
        row = [cv2.resize(i, (max(1, i.shape[1] * high // i.shape[0]), high), interpolation=cv2.INTER_AREA) if i.shape[0] > high else
               cv2.copyMakeBorder(i, 0, high - i.shape[0], 0, 0, cv2.BORDER_CONSTANT, value=(255,) * 3) for i in row]
        rows.append(np.concatenate(row, 1))
    width = max(i.shape[1] for i in rows)
    rows = [cv2.copyMakeBorder(i, 0, 0, 0, width - i.shape[1], cv2.BORDER_CONSTANT, value=(255,) * 3) for i in rows]
    cv2.imwrite(path, np.concatenate(rows))


if __name__ == '__main__':
    sheet(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0)
