// SPDX-License-Identifier: MIT
//! Reads the text in cropped word images, and gets better on a new domain by being shown examples.
//!
//! ```no_run
//! # fn main() -> Result<(), e2str::Error> {
//! use e2str::{Image, Model, Pool, ReadOptions, Session};
//! let model = Model::shipped()?;
//! let mut session = Session::new(&model, 1)?;
//! let reading = session.read(&Image::open("word.png")?, None, &ReadOptions::new())?;
//! println!("{} {}", reading.text, reading.score);
//!
//! let pool = Pool::new(&model)?;
//! pool.add(&mut session, &Image::open("tag.jpg")?, "₩17,250")?;
//! pool.learn(&mut session)?;
//! println!("{}", session.read(&Image::open("other.jpg")?, Some(&pool), &ReadOptions::new())?.text);
//! # Ok(())
//! # }
//! ```
//!
//! This is a safe layer over libe2str, whose header `e2str.h` says what calls do and what their limits are. Models,
//! constraints and pools are for all threads at once; a session is for one at a time, so it reads by `&mut`. What is
//! made with a model keeps it. [`sys`] has the C interface as it is.
pub mod sys;

use std::ffi::{CStr, CString};
use std::marker::PhantomData;
use std::os::raw::{c_char, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fmt, ptr};

// ---- errors ----

/// What a call failed with: a status of e2str.h and the message, which names what is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// One of `sys::E2STR_ERROR_*`.
    pub status: sys::e2str_status,
    pub message: String,
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

pub type Result<T> = std::result::Result<T, Error>;

fn argument<T>(message: &str) -> Result<T> {
    Err(Error { status: sys::E2STR_ERROR_ARGUMENT, message: message.into() })
}

/// Text of the library's, which is UTF-8 but for paths in messages.
unsafe fn text_at(text: *const c_char) -> String {
    CStr::from_ptr(text).to_string_lossy().into_owned()
}

fn check(call: impl FnOnce(*mut sys::e2str_error) -> sys::e2str_status) -> Result<()> {
    let mut error = sys::e2str_error { message: [0; sys::E2STR_ERROR_SIZE as usize] };
    match call(&mut error) {
        sys::E2STR_OK => Ok(()),
        // SAFETY: the message ends in a NUL, whether the call wrote one or not.
        status => Err(Error { status, message: unsafe { text_at(error.message.as_ptr()) } }),
    }
}

fn c_string(bytes: &[u8]) -> Result<CString> {
    CString::new(bytes).or_else(|_| argument("a NUL in a path or text"))
}

fn c_path(path: impl AsRef<Path>) -> Result<CString> {
    c_string(path.as_ref().as_os_str().as_bytes())
}

// ---- handles ----

struct Handle<T> {
    pointer: *mut T,
    free: unsafe extern "C" fn(*mut T),
}

impl<T> Handle<T> {
    fn new(
        free: unsafe extern "C" fn(*mut T),
        make: impl FnOnce(*mut *mut T, *mut sys::e2str_error) -> sys::e2str_status,
    ) -> Result<Self> {
        let mut pointer = ptr::null_mut();
        check(|error| make(&mut pointer, error))?;
        Ok(Handle { pointer, free })
    }
}

impl<T> Drop for Handle<T> {
    fn drop(&mut self) {
        // SAFETY: made by the function that belongs to `free`, and freed once.
        unsafe { (self.free)(self.pointer) }
    }
}

/// Options as the library fills them.
fn filled<T>(init: unsafe extern "C" fn(*mut T, usize)) -> T {
    let mut options = std::mem::MaybeUninit::uninit();
    // SAFETY: an init function writes the whole structure.
    unsafe {
        init(options.as_mut_ptr(), std::mem::size_of::<T>());
        options.assume_init()
    }
}

// ---- model ----

struct Weights(Handle<sys::e2str_model>);

// SAFETY: e2str.h: a model is immutable, any number of threads may use it at once.
unsafe impl Send for Weights {}
unsafe impl Sync for Weights {}

/// The weights: immutable, for any number of threads. Clones are the same model.
#[derive(Clone)]
pub struct Model(Arc<Weights>);

impl Model {
    pub fn open(path: impl AsRef<Path>) -> Result<Model> {
        let path = c_path(path)?;
        // SAFETY: the path ends in a NUL; no options are the defaults. So below.
        let handle = Handle::new(sys::e2str_model_close, |model, error| unsafe {
            sys::e2str_model_open(path.as_ptr(), ptr::null(), model, error)
        })?;
        Ok(Model(Arc::new(Weights(handle))))
    }

    /// The one that came with the library, or that E2STR_MODEL names.
    pub fn shipped() -> Result<Model> {
        Model::open(Model::shipped_path()?)
    }

    pub fn shipped_path() -> Result<PathBuf> {
        let mut path = [0u8; 4096];
        check(|error| unsafe { sys::e2str_default_model_path(path.as_mut_ptr().cast(), path.len(), error) })?;
        let size = path.iter().position(|&byte| byte == 0).unwrap_or(0);
        Ok(PathBuf::from(std::ffi::OsStr::from_bytes(&path[..size])))
    }

    /// Binds pool files to their model.
    pub fn checksum(&self) -> u64 {
        unsafe { sys::e2str_model_checksum(self.0.0.pointer) }
    }
}

// ---- images ----

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Grey = 1,
    Rgb = 3,
    /// Not premultiplied.
    Rgba = 4,
    Bgr = 5,
}

/// A picture: decoded, or a view of pixels that somebody else owns.
pub struct Image<'a> {
    raw: sys::e2str_image,
    pixels: PhantomData<&'a [u8]>,
}

// SAFETY: calls only read an image; its pixels are its own, or borrowed unchanging.
unsafe impl Send for Image<'_> {}
unsafe impl Sync for Image<'_> {}

impl<'a> Image<'a> {
    fn empty() -> sys::e2str_image {
        sys::e2str_image {
            pixels: ptr::null(),
            width: 0,
            height: 0,
            stride: 0,
            format: 0,
            rotate: 0,
            owned: ptr::null_mut(),
            trim: sys::E2STR_TRIM_OF_MODEL,
        }
    }

    /// A file: PNG, JPEG, BMP, PBM, PGM, PPM.
    pub fn open(path: impl AsRef<Path>) -> Result<Image<'static>> {
        let (path, mut raw) = (c_path(path)?, Self::empty());
        check(|error| unsafe { sys::e2str_image_load(path.as_ptr(), ptr::null(), &mut raw, error) })?;
        Ok(Image { raw, pixels: PhantomData })
    }

    /// The content of such a file.
    pub fn decode(file: &[u8]) -> Result<Image<'static>> {
        let (data, mut raw) = (file.as_ptr().cast::<c_void>(), Self::empty());
        check(|error| unsafe { sys::e2str_image_load_memory(data, file.len(), ptr::null(), &mut raw, error) })?;
        Ok(Image { raw, pixels: PhantomData })
    }

    /// Pixels, row by row, `stride` bytes from one row to the next.
    pub fn view(pixels: &'a [u8], width: u32, height: u32, stride: usize, format: Format) -> Result<Image<'a>> {
        let bytes = if let Format::Bgr = format { 3 } else { format as usize };
        let row = (width as usize).checked_mul(bytes);
        let needed = row.and_then(|row| stride.checked_mul((height as usize).checked_sub(1)?)?.checked_add(row));
        if row.map_or(true, |row| row > stride) || needed.map_or(true, |needed| needed > pixels.len()) {
            return argument("the pixels are fewer than width, height and stride say");
        }
        let raw = sys::e2str_image {
            pixels: pixels.as_ptr(),
            width,
            height,
            stride: isize::try_from(stride).or_else(|_| argument("stride"))?,
            format: format as u32,
            ..Self::empty()
        };
        Ok(Image { raw, pixels: PhantomData })
    }

    /// Turned clockwise before it is read: 0, 90, 180, 270 or `sys::E2STR_ROTATE_AUTO`.
    pub fn rotate(mut self, degrees: u32) -> Self {
        self.raw.rotate = degrees;
        self
    }

    /// Even borders are left out, or not, whatever the model's default.
    pub fn trim(mut self, trim: bool) -> Self {
        self.raw.trim = if trim { sys::E2STR_TRIM_ALWAYS } else { sys::E2STR_TRIM_NEVER };
        self
    }

    pub fn width(&self) -> u32 {
        self.raw.width
    }

    pub fn height(&self) -> u32 {
        self.raw.height
    }
}

impl Drop for Image<'_> {
    fn drop(&mut self) {
        // SAFETY: frees pixels that were decoded, and nothing of a view.
        unsafe { sys::e2str_image_free(&mut self.raw) }
    }
}

// ---- constraints ----

/// What a text may be; all of what is given must hold.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rules<'a> {
    /// `0-9.,`
    pub characters: Option<&'a str>,
    /// `[A-Z]{2}[0-9]{6}`
    pub pattern: Option<&'a str>,
    /// Entries, one per line.
    pub lexicon: Option<&'a str>,
    pub ignore_case: bool,
    pub min_length: u32,
    pub max_length: u32,
}

/// Rules, compiled: for any number of threads.
pub struct Constraint(Handle<sys::e2str_constraint>);

// SAFETY: e2str.h: immutable, any number of threads.
unsafe impl Send for Constraint {}
unsafe impl Sync for Constraint {}

impl Constraint {
    pub fn new(rules: &Rules) -> Result<Constraint> {
        let string = |text: Option<&str>| text.map(|text| c_string(text.as_bytes())).transpose();
        let (characters, pattern) = (string(rules.characters)?, string(rules.pattern)?);
        let mut options = filled(sys::e2str_constraint_options_init_size);
        options.characters = characters.as_ref().map_or(ptr::null(), |text| text.as_ptr());
        options.pattern = pattern.as_ref().map_or(ptr::null(), |text| text.as_ptr());
        if let Some(lexicon) = rules.lexicon {
            options.lexicon = lexicon.as_ptr().cast();
            options.lexicon_size = lexicon.len();
        }
        options.ignore_case = rules.ignore_case.into();
        options.min_length = rules.min_length;
        options.max_length = rules.max_length;
        Ok(Constraint(Handle::new(sys::e2str_constraint_free, |made, error| unsafe {
            sys::e2str_constraint_new(&options, made, error)
        })?))
    }

    pub fn matches(&self, text: &str) -> bool {
        unsafe { sys::e2str_constraint_matches(self.0.pointer, text.as_ptr().cast(), text.len()) != 0 }
    }
}

// ---- reading ----

/// How to read; every option has the library's default.
#[derive(Clone, Copy)]
pub struct ReadOptions<'a> {
    raw: sys::e2str_read_options,
    constraint: PhantomData<&'a Constraint>,
}

impl Default for ReadOptions<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a> ReadOptions<'a> {
    pub fn new() -> Self {
        ReadOptions { raw: filled(sys::e2str_read_options_init_size), constraint: PhantomData }
    }

    /// Examples of the pool put before the image, the most similar ones.
    pub fn examples(mut self, k: u32) -> Self {
        self.raw.k = k;
        self
    }

    pub fn beams(mut self, beams: u32) -> Self {
        self.raw.beams = beams;
        self
    }

    /// Per character.
    pub fn alternatives(mut self, alternatives: u32) -> Self {
        self.raw.alternatives = alternatives;
        self
    }

    /// Find where each character lies.
    pub fn places(mut self, places: bool) -> Self {
        self.raw.places = places.into();
        self
    }

    pub fn reject_below(mut self, confidence: f32) -> Self {
        self.raw.reject_below = confidence;
        self
    }

    pub fn constraint(mut self, constraint: &'a Constraint) -> Self {
        self.raw.constraint = constraint.0.pointer;
        self
    }
}

/// A character of a reading.
#[derive(Debug, Clone, PartialEq)]
pub struct Character {
    pub text: String,
    pub probability: f32,
    /// What else may begin here, best first, with its probability; "" is the end.
    pub alternatives: Vec<(String, f32)>,
    /// Left, top, right, bottom in pixels, with `places`.
    pub place: Option<[f32; 4]>,
}

/// What one read found.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    pub text: String,
    pub score: f32,
    pub confidence: f32,
    pub textless: f32,
    pub truncated: bool,
    pub rejected: bool,
    pub unmatched: bool,
    pub characters: Vec<Character>,
    /// Examples that stood in the prompt, with their similarity.
    pub examples: Vec<(u64, f32)>,
}

/// One thread's scratch memory.
pub struct Session {
    handle: Handle<sys::e2str_session>,
    model: Model,
}

// SAFETY: e2str.h: a session belongs to one thread at a time, whichever.
unsafe impl Send for Session {}

impl Session {
    /// `threads` work on one call, this one included.
    pub fn new(model: &Model, threads: u32) -> Result<Session> {
        let mut options = filled(sys::e2str_session_options_init_size);
        options.threads = threads;
        let handle = Handle::new(sys::e2str_session_free, |session, error| unsafe {
            sys::e2str_session_new(model.0.0.pointer, &options, session, error)
        })?;
        Ok(Session { handle, model: model.clone() })
    }

    pub fn model(&self) -> &Model {
        &self.model
    }

    pub fn read(&mut self, image: &Image, pool: Option<&Pool>, options: &ReadOptions) -> Result<Reading> {
        Ok(self.read_batch(&[image], pool, options)?.remove(0))
    }

    /// Several at a time, which is faster than one by one; the same bits.
    pub fn read_batch(
        &mut self,
        images: &[&Image],
        pool: Option<&Pool>,
        options: &ReadOptions,
    ) -> Result<Vec<Reading>> {
        let views: Vec<_> = images.iter().map(|image| image.raw).collect();
        let results: Vec<_> = images
            .iter()
            .map(|_| Handle::new(sys::e2str_result_free, |made, error| unsafe { sys::e2str_result_new(made, error) }))
            .collect::<Result<_>>()?;
        let pointers: Vec<_> = results.iter().map(|result| result.pointer).collect();
        let pool = pool.map_or(ptr::null_mut(), |pool| pool.handle.pointer);
        // SAFETY: as many results as images; what `options` refers to is borrowed.
        check(|error| unsafe {
            let (images, results) = (views.as_ptr(), pointers.as_ptr());
            sys::e2str_read_batch(self.handle.pointer, images, views.len(), pool, &options.raw, results, error)
        })?;
        pointers.into_iter().map(|result| unsafe { reading(result, options.raw.places != 0) }).collect()
    }
}

unsafe fn reading(result: *const sys::e2str_result, places: bool) -> Result<Reading> {
    let text = text_at(sys::e2str_result_text(result));
    let mut characters = Vec::new();
    for index in 0..sys::e2str_result_characters(result) {
        let mut found = sys::e2str_character { offset: 0, length: 0, probability: 0.0 };
        check(|error| sys::e2str_result_character(result, index, &mut found, error))?;
        let mut alternatives = Vec::new();
        for rank in 0..sys::e2str_result_alternatives(result, index) {
            let (mut other, mut probability) = (ptr::null(), 0.0);
            check(|error| sys::e2str_result_alternative(result, index, rank, &mut other, &mut probability, error))?;
            alternatives.push((text_at(other), probability));
        }
        let mut place = None;
        if places {
            let mut at = sys::e2str_box { left: 0.0, top: 0.0, right: 0.0, bottom: 0.0, evidence: 0.0 };
            check(|error| sys::e2str_result_box(result, index, &mut at, error))?;
            place = Some([at.left, at.top, at.right, at.bottom]);
        }
        let text = text.get(found.offset..found.offset + found.length).unwrap_or_default().to_string();
        characters.push(Character { text, probability: found.probability, alternatives, place });
    }
    let mut examples = vec![(0, 0.0); sys::e2str_result_examples(result)];
    for (index, (id, similarity)) in examples.iter_mut().enumerate() {
        check(|error| sys::e2str_result_example(result, index, id, similarity, error))?;
    }
    Ok(Reading {
        text,
        score: sys::e2str_result_score(result),
        confidence: sys::e2str_result_confidence(result),
        textless: sys::e2str_result_textless(result),
        truncated: sys::e2str_result_truncated(result) != 0,
        rejected: sys::e2str_result_rejected(result) != 0,
        unmatched: sys::e2str_result_unmatched(result) != 0,
        characters,
        examples,
    })
}

// ---- pool ----

/// Labelled examples, and what was learnt from them; for any number of threads at once, changes included.
pub struct Pool {
    handle: Handle<sys::e2str_pool>,
    _model: Model,
}

// SAFETY: e2str.h: a pool may be used by any number of threads at once, adding and removing included.
unsafe impl Send for Pool {}
unsafe impl Sync for Pool {}

impl Pool {
    pub fn new(model: &Model) -> Result<Pool> {
        let handle = Handle::new(sys::e2str_pool_free, |pool, error| unsafe {
            sys::e2str_pool_new(model.0.0.pointer, ptr::null(), pool, error)
        })?;
        Ok(Pool { handle, _model: model.clone() })
    }

    pub fn load(model: &Model, path: impl AsRef<Path>) -> Result<Pool> {
        let path = c_path(path)?;
        let handle = Handle::new(sys::e2str_pool_free, |pool, error| unsafe {
            sys::e2str_pool_load(model.0.0.pointer, path.as_ptr(), ptr::null(), pool, error)
        })?;
        Ok(Pool { handle, _model: model.clone() })
    }

    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = c_path(path)?;
        check(|error| unsafe { sys::e2str_pool_save(self.handle.pointer, path.as_ptr(), error) })
    }

    /// The example's id.
    pub fn add(&self, session: &mut Session, image: &Image, label: &str) -> Result<u64> {
        let (text, mut id) = (label.as_ptr().cast(), 0);
        let (pool, session) = (self.handle.pointer, session.handle.pointer);
        check(|error| unsafe { sys::e2str_pool_add(pool, session, &image.raw, text, label.len(), &mut id, error) })?;
        Ok(id)
    }

    pub fn remove(&self, id: u64) -> Result<()> {
        check(|error| unsafe { sys::e2str_pool_remove(self.handle.pointer, id, error) })
    }

    pub fn len(&self) -> usize {
        unsafe { sys::e2str_pool_count(self.handle.pointer) }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn ids(&self) -> Vec<u64> {
        let mut ids = vec![0; self.len()];
        let found = unsafe { sys::e2str_pool_ids(self.handle.pointer, ids.as_mut_ptr(), ids.len()) };
        ids.truncate(found);
        ids
    }

    pub fn label(&self, id: u64) -> Result<String> {
        let mut label = [0u8; 4097]; // labels have at most 4,096 bytes
        let (text, room) = (label.as_mut_ptr().cast(), label.len());
        let (pool, mut size) = (self.handle.pointer, 0);
        check(|error| unsafe { sys::e2str_pool_label(pool, id, text, room, &mut size, error) })?;
        Ok(String::from_utf8_lossy(&label[..size.min(room - 1)]).into_owned())
    }

    /// Makes the pool's memory from all of its examples; reads with the pool use it from then on.
    pub fn learn(&self, session: &mut Session) -> Result<()> {
        let (pool, session) = (self.handle.pointer, session.handle.pointer);
        check(|error| unsafe { sys::e2str_pool_learn(pool, session, ptr::null(), error) })
    }
}

/// Of the library in use.
pub fn version() -> String {
    unsafe { text_at(sys::e2str_version()) }
}
