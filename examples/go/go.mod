module e2str

go 1.17
