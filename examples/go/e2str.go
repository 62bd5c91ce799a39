// SPDX-License-Identifier: MIT

// Package e2str reads the text in cropped word images, and gets better on a new domain by being shown examples.
//
// It is a layer over libe2str, whose header e2str.h says what calls do and what their limits are. Models, constraints
// and pools are for all goroutines at once; a session is for one at a time. Close gives memory back at once; what is
// not closed is given back when nobody refers to it any more. No memory of Go's is kept by the library.
package e2str

/*
#cgo pkg-config: e2str
#include <e2str.h>
#include <stdlib.h>

// Go may not hand over a structure that points to its memory, but may hand over the pointer: these make the structure.
static e2str_status read_view(e2str_session *session, e2str_image image, const uint8_t *pixels, const e2str_pool *pool,
                              const e2str_read_options *options, e2str_result *result, e2str_error *error) {
    if (pixels) image.pixels = pixels;
    return e2str_read(session, &image, pool, options, result, error);
}
static e2str_status add_view(e2str_pool *pool, e2str_session *session, e2str_image image, const uint8_t *pixels,
                             const char *label, size_t size, uint64_t *id, e2str_error *error) {
    if (pixels) image.pixels = pixels;
    return e2str_pool_add(pool, session, &image, label, size, id, error);
}
static void init_read(e2str_read_options *options) { e2str_read_options_init(options); }
static void init_session(e2str_session_options *options) { e2str_session_options_init(options); }
static void init_constraint(e2str_constraint_options *options) { e2str_constraint_options_init(options); }
*/
import "C"

import (
	"errors"
	"image"
	"image/draw"
	"runtime"
	"unsafe"
)

// Status says of what kind an error is: e2str_status of e2str.h.
type Status int

const (
	Argument    Status = C.E2STR_ERROR_ARGUMENT
	Memory      Status = C.E2STR_ERROR_MEMORY
	IO          Status = C.E2STR_ERROR_IO
	Malformed   Status = C.E2STR_ERROR_FORMAT
	Unsupported Status = C.E2STR_ERROR_UNSUPPORTED
	Mismatch    Status = C.E2STR_ERROR_MISMATCH
	BadImage    Status = C.E2STR_ERROR_IMAGE
	Limit       Status = C.E2STR_ERROR_LIMIT
	BadLabel    Status = C.E2STR_ERROR_LABEL
	Full        Status = C.E2STR_ERROR_FULL
	NotFound    Status = C.E2STR_ERROR_NOT_FOUND
	Conflict    Status = C.E2STR_ERROR_CONFLICT
)

func (s Status) String() string { return C.GoString(C.e2str_status_name(C.e2str_status(s))) }

// Error is what calls fail with; the message names what is wrong.
type Error struct {
	Status  Status
	Message string
}

func (e *Error) Error() string { return e.Message }

// Closed is the error of calls with something that was closed.
var Closed = errors.New("e2str: closed")

func failure(status C.e2str_status, message *C.e2str_error) error {
	if status == C.E2STR_OK {
		return nil
	}
	return &Error{Status(status), C.GoString(&message.message[0])}
}

// Version of the library in use.
func Version() string { return C.GoString(C.e2str_version()) }

// ---- model ----

// Model holds the weights. It must not be closed before what was made with it.
type Model struct{ handle *C.e2str_model }

// Open opens a model file; "" is the one that came with the library, or that E2STR_MODEL names.
func Open(path string) (*Model, error) {
	var message C.e2str_error
	if path == "" {
		var shipped [4096]C.char
		if status := C.e2str_default_model_path(&shipped[0], 4096, &message); status != C.E2STR_OK {
			return nil, failure(status, &message)
		}
		path = C.GoString(&shipped[0])
	}
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	model := &Model{}
	status := C.e2str_model_open(name, nil, &model.handle, &message)
	runtime.SetFinalizer(model, (*Model).Close)
	if status != C.E2STR_OK {
		return nil, failure(status, &message)
	}
	return model, nil
}

// Close gives the memory back.
func (m *Model) Close() {
	C.e2str_model_close(m.handle)
	m.handle = nil
}

// ---- images ----

// Image is a picture: decoded from a file, or pixels of Go's.
type Image struct {
	view   C.e2str_image
	pixels []byte // nil: decoded
}

// Load decodes a file: PNG, JPEG, BMP, PBM, PGM, PPM.
func Load(path string) (*Image, error) {
	var message C.e2str_error
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	var view C.e2str_image
	status := C.e2str_image_load(name, nil, &view, &message)
	return loaded(view, status, &message)
}

// Decode decodes the content of such a file.
func Decode(file []byte) (*Image, error) {
	var message C.e2str_error
	var view C.e2str_image
	var data unsafe.Pointer
	if len(file) > 0 {
		data = unsafe.Pointer(&file[0])
	}
	status := C.e2str_image_load_memory(data, C.size_t(len(file)), nil, &view, &message)
	return loaded(view, status, &message)
}

func loaded(view C.e2str_image, status C.e2str_status, message *C.e2str_error) (*Image, error) {
	if status != C.E2STR_OK {
		return nil, failure(status, message)
	}
	result := &Image{view: view}
	runtime.SetFinalizer(result, func(i *Image) { C.e2str_image_free(&i.view) })
	return result, nil
}

// FromImage takes a picture of Go's image package: gray and not premultiplied colours as they are, others converted.
// Its pixels must not change while calls use them.
func FromImage(source image.Image) *Image {
	bounds := source.Bounds()
	var pixels []byte
	view := C.e2str_image{width: C.uint32_t(bounds.Dx()), height: C.uint32_t(bounds.Dy())}
	switch known := source.(type) {
	case *image.Gray:
		pixels, view.stride, view.format = known.Pix, C.ptrdiff_t(known.Stride), C.E2STR_GREY
	case *image.NRGBA:
		pixels, view.stride, view.format = known.Pix, C.ptrdiff_t(known.Stride), C.E2STR_RGBA
	default:
		plain := image.NewNRGBA(image.Rect(0, 0, bounds.Dx(), bounds.Dy()))
		draw.Draw(plain, plain.Rect, source, bounds.Min, draw.Src)
		pixels, view.stride, view.format = plain.Pix, C.ptrdiff_t(plain.Stride), C.E2STR_RGBA
	}
	if len(pixels) == 0 {
		pixels = make([]byte, 1) // an empty picture, which the library refuses
	}
	return &Image{view, pixels}
}

// Rotate turns the picture clockwise before it is read: 0, 90, 180, 270, or RotateAuto.
func (i *Image) Rotate(degrees uint32) *Image {
	i.view.rotate = C.uint32_t(degrees)
	return i
}

// RotateAuto finds out which way up a picture is.
const RotateAuto = ^uint32(0)

func (i *Image) pointer() *C.uint8_t {
	if i.pixels == nil {
		return nil
	}
	return (*C.uint8_t)(unsafe.Pointer(&i.pixels[0]))
}

// ---- constraints ----

// Rules say what a text may be; all of what is given must hold.
type Rules struct {
	Characters           string // "0-9.,"
	Pattern              string // "[A-Z]{2}[0-9]{6}"
	Lexicon              string // entries, one per line
	IgnoreCase           bool
	MinLength, MaxLength uint32 // characters; 0: no limit
}

// Constraint is rules, compiled: for any number of goroutines.
type Constraint struct{ handle *C.e2str_constraint }

// NewConstraint compiles rules.
func NewConstraint(rules Rules) (*Constraint, error) {
	var message C.e2str_error
	var options C.e2str_constraint_options
	C.init_constraint(&options)
	text := func(value string) *C.char {
		if value == "" {
			return nil
		}
		return C.CString(value)
	}
	options.characters, options.pattern, options.lexicon = text(rules.Characters), text(rules.Pattern), text(rules.Lexicon)
	defer func() {
		for _, value := range []*C.char{options.characters, options.pattern, options.lexicon} {
			C.free(unsafe.Pointer(value))
		}
	}()
	options.lexicon_size = C.size_t(len(rules.Lexicon))
	options.min_length, options.max_length = C.uint32_t(rules.MinLength), C.uint32_t(rules.MaxLength)
	if rules.IgnoreCase {
		options.ignore_case = 1
	}
	constraint := &Constraint{}
	status := C.e2str_constraint_new(&options, &constraint.handle, &message)
	runtime.SetFinalizer(constraint, func(c *Constraint) { C.e2str_constraint_free(c.handle) })
	if status != C.E2STR_OK {
		return nil, failure(status, &message)
	}
	return constraint, nil
}

// ---- reading ----

// Options of a read; the zero value has the library's defaults.
type Options struct {
	Examples     *uint32 // of the pool put before the image; nil: the library's choice
	Beams        uint32  // 0: greedy
	Alternatives uint32  // per character
	Places       bool    // find where each character lies
	RejectBelow  float32
	Constraint   *Constraint
}

// Character is a part of a reading.
type Character struct {
	Text         string
	Probability  float32
	Alternatives []Alternative
	Place        [4]float32 // left, top, right, bottom in pixels, with Options.Places
}

// Alternative is what else may begin at a character; "" is the end.
type Alternative struct {
	Text        string
	Probability float32
}

// Reading is what one read found.
type Reading struct {
	Text                           string
	Score, Confidence, Textless    float32
	Truncated, Rejected, Unmatched bool
	Characters                     []Character
	Examples                       []uint64 // that stood in the prompt
}

// Session is one goroutine's scratch memory.
type Session struct {
	handle *C.e2str_session
	result *C.e2str_result
	model  *Model
}

// NewSession makes a session; threads work on one call.
func (m *Model) NewSession(threads uint32) (*Session, error) {
	if m.handle == nil {
		return nil, Closed
	}
	var message C.e2str_error
	var options C.e2str_session_options
	C.init_session(&options)
	options.threads = C.uint32_t(threads)
	session := &Session{model: m}
	status := C.e2str_session_new(m.handle, &options, &session.handle, &message)
	if status == C.E2STR_OK {
		status = C.e2str_result_new(&session.result, &message)
	}
	runtime.SetFinalizer(session, (*Session).Close)
	if status != C.E2STR_OK {
		return nil, failure(status, &message)
	}
	return session, nil
}

// Close gives the memory back.
func (s *Session) Close() {
	C.e2str_result_free(s.result)
	C.e2str_session_free(s.handle)
	s.handle, s.result = nil, nil
}

// Read reads one image; pool and options may be nil.
func (s *Session) Read(picture *Image, pool *Pool, options *Options) (*Reading, error) {
	if s.handle == nil || (pool != nil && pool.handle == nil) {
		return nil, Closed
	}
	var message C.e2str_error
	var given C.e2str_read_options
	C.init_read(&given)
	if options != nil {
		if options.Examples != nil {
			given.k = C.uint32_t(*options.Examples)
		}
		if options.Beams > 0 {
			given.beams = C.uint32_t(options.Beams)
		}
		given.alternatives = C.uint32_t(options.Alternatives)
		given.reject_below = C.float(options.RejectBelow)
		if options.Places {
			given.places = 1
		}
		if options.Constraint != nil {
			given.constraint = options.Constraint.handle
		}
	}
	var from *C.e2str_pool
	if pool != nil {
		from = pool.handle
	}
	status := C.read_view(s.handle, picture.view, picture.pointer(), from, &given, s.result, &message)
	runtime.KeepAlive(picture)
	runtime.KeepAlive(pool)
	runtime.KeepAlive(options)
	if err := failure(status, &message); err != nil {
		return nil, err
	}
	reading := s.reading(given.places != 0)
	runtime.KeepAlive(s)
	return reading, nil
}

func (s *Session) reading(places bool) *Reading {
	r := s.result
	reading := &Reading{
		Text:       C.GoString(C.e2str_result_text(r)),
		Score:      float32(C.e2str_result_score(r)),
		Confidence: float32(C.e2str_result_confidence(r)),
		Textless:   float32(C.e2str_result_textless(r)),
		Truncated:  C.e2str_result_truncated(r) != 0,
		Rejected:   C.e2str_result_rejected(r) != 0,
		Unmatched:  C.e2str_result_unmatched(r) != 0,
	}
	for index := C.size_t(0); index < C.e2str_result_characters(r); index++ {
		var found C.e2str_character
		C.e2str_result_character(r, index, &found, nil)
		character := Character{
			Text:        reading.Text[found.offset : found.offset+found.length],
			Probability: float32(found.probability),
		}
		for rank := C.size_t(0); rank < C.e2str_result_alternatives(r, index); rank++ {
			var text *C.char
			var probability C.float
			C.e2str_result_alternative(r, index, rank, &text, &probability, nil)
			character.Alternatives = append(character.Alternatives, Alternative{C.GoString(text), float32(probability)})
		}
		if places {
			var box C.e2str_box
			C.e2str_result_box(r, index, &box, nil)
			character.Place = [4]float32{float32(box.left), float32(box.top), float32(box.right), float32(box.bottom)}
		}
		reading.Characters = append(reading.Characters, character)
	}
	for index := C.size_t(0); index < C.e2str_result_examples(r); index++ {
		var id C.uint64_t
		var similarity C.float
		C.e2str_result_example(r, index, &id, &similarity, nil)
		reading.Examples = append(reading.Examples, uint64(id))
	}
	return reading
}

// ---- pool ----

// Pool holds labelled examples, and what was learnt from them.
type Pool struct {
	handle *C.e2str_pool
	model  *Model
}

// NewPool makes an empty pool.
func (m *Model) NewPool() (*Pool, error) {
	if m.handle == nil {
		return nil, Closed
	}
	var message C.e2str_error
	pool := &Pool{model: m}
	status := C.e2str_pool_new(m.handle, nil, &pool.handle, &message)
	runtime.SetFinalizer(pool, (*Pool).Close)
	if status != C.E2STR_OK {
		return nil, failure(status, &message)
	}
	return pool, nil
}

// LoadPool loads a pool file of this model.
func (m *Model) LoadPool(path string) (*Pool, error) {
	if m.handle == nil {
		return nil, Closed
	}
	var message C.e2str_error
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	pool := &Pool{model: m}
	status := C.e2str_pool_load(m.handle, name, nil, &pool.handle, &message)
	runtime.SetFinalizer(pool, (*Pool).Close)
	if status != C.E2STR_OK {
		return nil, failure(status, &message)
	}
	return pool, nil
}

// Close gives the memory back.
func (p *Pool) Close() {
	C.e2str_pool_free(p.handle)
	p.handle = nil
}

// Save writes the pool's file, whole or not at all.
func (p *Pool) Save(path string) error {
	if p.handle == nil {
		return Closed
	}
	var message C.e2str_error
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	status := C.e2str_pool_save(p.handle, name, &message)
	runtime.KeepAlive(p)
	return failure(status, &message)
}

// Add adds an example and gives its id.
func (p *Pool) Add(session *Session, picture *Image, label string) (uint64, error) {
	if p.handle == nil || session.handle == nil {
		return 0, Closed
	}
	var message C.e2str_error
	var id C.uint64_t
	text := C.CString(label)
	defer C.free(unsafe.Pointer(text))
	size := C.size_t(len(label))
	status := C.add_view(p.handle, session.handle, picture.view, picture.pointer(), text, size, &id, &message)
	runtime.KeepAlive(p)
	runtime.KeepAlive(session)
	runtime.KeepAlive(picture)
	return uint64(id), failure(status, &message)
}

// Remove takes an example out.
func (p *Pool) Remove(id uint64) error {
	if p.handle == nil {
		return Closed
	}
	var message C.e2str_error
	status := C.e2str_pool_remove(p.handle, C.uint64_t(id), &message)
	runtime.KeepAlive(p)
	return failure(status, &message)
}

// Learn makes the pool's memory from all its examples; reads with the pool use it from then on.
func (p *Pool) Learn(session *Session) error {
	if p.handle == nil || session.handle == nil {
		return Closed
	}
	var message C.e2str_error
	status := C.e2str_pool_learn(p.handle, session.handle, nil, &message)
	runtime.KeepAlive(p)
	runtime.KeepAlive(session)
	return failure(status, &message)
}

// Len is the number of examples.
func (p *Pool) Len() int {
	count := int(C.e2str_pool_count(p.handle))
	runtime.KeepAlive(p)
	return count
}
