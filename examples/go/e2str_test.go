// SPDX-License-Identifier: MIT
package e2str

import (
	"bufio"
	"errors"
	"image"
	"image/draw"
	_ "image/png"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

type sample struct{ path, label string }

func labelled(t *testing.T, folder string) (samples []sample) {
	folder = filepath.Join("..", folder)
	file, err := os.Open(filepath.Join(folder, "labels.tsv"))
	must(t, err)
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		parts := strings.SplitN(lines.Text(), "\t", 2)
		samples = append(samples, sample{filepath.Join(folder, parts[0]), parts[1]})
	}
	return samples
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T) (*Model, *Session) {
	t.Helper()
	model, err := Open("")
	must(t, err)
	session, err := model.NewSession(1)
	must(t, err)
	return model, session
}

func load(t *testing.T, path string) *Image {
	t.Helper()
	picture, err := Load(path)
	must(t, err)
	return picture
}

func hasStatus(err error, status Status, part string) bool {
	var known *Error
	return errors.As(err, &known) && known.Status == status && strings.Contains(err.Error(), part)
}

func TestReadsEverySample(t *testing.T) {
	_, session := open(t)
	samples := labelled(t, "images")
	if len(samples) != 10 {
		t.Fatal(len(samples))
	}
	for _, each := range samples {
		reading, err := session.Read(load(t, each.path), nil, nil)
		must(t, err)
		if reading.Text != each.label || reading.Score < 0.9 || reading.Confidence <= 0 {
			t.Error(each.path, reading)
		}
	}
}

func TestPool(t *testing.T) {
	model, session := open(t)
	pool, err := model.NewPool()
	must(t, err)
	for _, each := range labelled(t, "demo/pool") {
		_, err := pool.Add(session, load(t, each.path), each.label)
		must(t, err)
	}
	must(t, pool.Learn(session))
	var readers sync.WaitGroup
	for i := 0; i < 2; i++ {
		readers.Add(1)
		go func() {
			defer readers.Done()
			session, err := model.NewSession(1)
			if err != nil {
				t.Error(err)
				return
			}
			defer session.Close()
			for _, each := range labelled(t, "demo/queries") {
				picture, err := Load(each.path)
				if err == nil {
					var reading *Reading
					if reading, err = session.Read(picture, pool, nil); err == nil && reading.Text != each.label {
						t.Error(each, reading.Text)
					}
				}
				if err != nil {
					t.Error(err)
				}
				runtime.GC() // finalizers run while others read
			}
		}()
	}
	readers.Wait()

	path := filepath.Join(t.TempDir(), "tags.pool")
	must(t, pool.Save(path))
	same, err := model.LoadPool(path)
	must(t, err)
	k := uint32(2)
	reading, err := session.Read(load(t, "../demo/queries/17-250.jpg"), same, &Options{Examples: &k})
	must(t, err)
	if same.Len() != 20 || len(reading.Examples) != 2 {
		t.Error(same.Len(), reading.Examples)
	}
	must(t, same.Remove(reading.Examples[0]))
	if err := same.Remove(reading.Examples[0]); same.Len() != 19 || !hasStatus(err, NotFound, "") {
		t.Error(same.Len(), err)
	}
	same.Close()
	if err := same.Save(path); err != Closed {
		t.Error(err)
	}
}

func TestPicturesOfGo(t *testing.T) {
	_, session := open(t)
	file, err := os.Open("../images/open.png")
	must(t, err)
	decoded, _, err := image.Decode(file)
	must(t, err)
	bounds := decoded.Bounds()
	gray := image.NewGray(bounds)
	draw.Draw(gray, bounds, decoded, bounds.Min, draw.Src)
	colours := image.NewNRGBA(bounds)
	draw.Draw(colours, bounds, decoded, bounds.Min, draw.Src)
	premultiplied := image.NewRGBA(bounds)
	draw.Draw(premultiplied, bounds, decoded, bounds.Min, draw.Src)
	part := colours.SubImage(bounds.Inset(2))
	for _, each := range []image.Image{decoded, gray, colours, premultiplied, part} {
		reading, err := session.Read(FromImage(each), nil, nil)
		must(t, err)
		if reading.Text != "OPEN" {
			t.Errorf("%T: %s", each, reading.Text)
		}
	}
	data, err := os.ReadFile("../images/exit.jpg")
	must(t, err)
	picture, err := Decode(data)
	must(t, err)
	reading, err := session.Read(picture, nil, nil)
	must(t, err)
	if reading.Text != "EXIT" {
		t.Error(reading.Text)
	}
}

func TestOptions(t *testing.T) {
	_, session := open(t)
	digits, err := NewConstraint(Rules{Pattern: "[0-9]{4}"})
	must(t, err)
	reading, err := session.Read(load(t, "../images/2026.png"), nil,
		&Options{Alternatives: 3, Places: true, Beams: 2, Constraint: digits})
	must(t, err)
	text := ""
	for _, character := range reading.Characters {
		text += character.Text
		if len(character.Alternatives) != 3 || character.Place[0] >= character.Place[2] {
			t.Error(character)
		}
	}
	if text != "2026" || reading.Unmatched {
		t.Error(reading)
	}
}

func TestErrors(t *testing.T) {
	model, session := open(t)
	if _, err := Open("none.gguf"); !hasStatus(err, IO, "none.gguf") {
		t.Error(err)
	}
	if _, err := Load("none.png"); !hasStatus(err, IO, "none.png") {
		t.Error(err)
	}
	if _, err := Decode(nil); err == nil {
		t.Error("no file, and no error")
	}
	if _, err := Decode([]byte("nothing")); !hasStatus(err, BadImage, "") {
		t.Error(err)
	}
	if _, err := NewConstraint(Rules{Pattern: "["}); !hasStatus(err, Argument, "pattern") {
		t.Error(err)
	}
	if _, err := session.Read(FromImage(image.NewGray(image.Rect(0, 0, 0, 0))), nil, nil); !hasStatus(err, Argument, "") {
		t.Error(err)
	}
	session.Close()
	if _, err := session.Read(load(t, "../images/open.png"), nil, nil); err != Closed {
		t.Error(err)
	}
	model.Close()
	if _, err := model.NewPool(); err != Closed {
		t.Error(err)
	}
	if Argument.String() != "argument" || Version() == "" {
		t.Error(Argument.String(), Version())
	}
}
