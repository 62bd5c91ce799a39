// SPDX-License-Identifier: MIT
use e2str::{sys, Constraint, Format, Image, Model, Pool, ReadOptions, Rules, Session};
use std::{fs, path::PathBuf, thread};

fn examples() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn labelled(folder: &str) -> Vec<(PathBuf, String)> {
    let folder = examples().join(folder);
    let labels = fs::read_to_string(folder.join("labels.tsv")).unwrap();
    let pairs = labels.lines().map(|line| line.split_once('\t').unwrap());
    pairs.map(|(name, label)| (folder.join(name), label.to_string())).collect()
}

fn session() -> (Model, Session) {
    let model = Model::shipped().unwrap();
    let session = Session::new(&model, 1).unwrap();
    (model, session)
}

#[test]
fn the_library_is_the_one_of_these_bindings() {
    let number = sys::E2STR_VERSION_MAJOR * 10000 + sys::E2STR_VERSION_MINOR * 100 + sys::E2STR_VERSION_PATCH;
    assert_eq!(unsafe { sys::e2str_version_number() }, number);
    assert_eq!(e2str::version(), env!("CARGO_PKG_VERSION"));
}

/// E2STR_SIZES names a file of `structure size` lines as C has them.
#[test]
fn structures_are_as_large_as_those_of_c() {
    let path = match std::env::var("E2STR_SIZES") {
        Ok(path) => path,
        Err(_) => return,
    };
    let sizes = fs::read_to_string(path).unwrap();
    let of_c = |name: &str| {
        let line = sizes.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name}")).parse::<usize>().unwrap()
    };
    macro_rules! compare {
        ($($name:ident)*) => { $(assert_eq!(std::mem::size_of::<sys::$name>(), of_c(stringify!($name)));)* };
    }
    compare! { e2str_error e2str_model_options e2str_model_info e2str_session_options e2str_image e2str_area
    e2str_image_limits e2str_pool_options e2str_learn_options e2str_memory_report e2str_constraint_options
    e2str_read_options e2str_character e2str_box e2str_influence }
}

#[test]
fn reads_every_sample() {
    let (_, mut session) = session();
    let samples = labelled("images");
    let images: Vec<_> = samples.iter().map(|(path, _)| Image::open(path).unwrap()).collect();
    let views: Vec<_> = images.iter().collect();
    let batch = session.read_batch(&views, None, &ReadOptions::new()).unwrap();
    assert_eq!(batch.len(), 10);
    for ((image, reading), (path, label)) in images.iter().zip(&batch).zip(&samples) {
        assert_eq!(&reading.text, label, "{}", path.display());
        assert_eq!(&session.read(image, None, &ReadOptions::new()).unwrap(), reading);
    }
    assert!(session.read_batch(&[], None, &ReadOptions::new()).unwrap().is_empty());
}

#[test]
fn reads_with_a_pool_and_many_threads() {
    let (model, mut session) = session();
    let pool = Pool::new(&model).unwrap();
    assert!(pool.is_empty());
    let examples = labelled("demo/pool");
    for (path, label) in &examples {
        pool.add(&mut session, &Image::open(path).unwrap(), label).unwrap();
    }
    pool.learn(&mut session).unwrap();
    assert_eq!((pool.len(), pool.label(pool.ids()[0]).unwrap()), (20, examples[0].1.clone()));
    let reads_all = || {
        let mut session = Session::new(&model, 1).unwrap();
        for (path, label) in labelled("demo/queries") {
            let image = Image::open(path).unwrap();
            assert_eq!(session.read(&image, Some(&pool), &ReadOptions::new()).unwrap().text, label);
        }
    };
    thread::scope(|scope| (0..2).for_each(|_| drop(scope.spawn(reads_all))));

    let path = std::env::temp_dir().join(format!("e2str-rust-{}.pool", std::process::id()));
    pool.save(&path).unwrap();
    let loaded = Pool::load(&model, &path).unwrap();
    fs::remove_file(&path).unwrap();
    let query = Image::open(&labelled("demo/queries")[0].0).unwrap();
    let options = ReadOptions::new().examples(2);
    let (one, other) = (session.read(&query, Some(&pool), &options), session.read(&query, Some(&loaded), &options));
    assert_eq!(one.as_ref().unwrap().examples.len(), 2);
    assert_eq!(one, other);
    loaded.remove(loaded.ids()[0]).unwrap();
    assert_eq!(loaded.len(), 19);
    assert_eq!(loaded.remove(4711).unwrap_err().status, sys::E2STR_ERROR_NOT_FOUND);
}

#[test]
fn what_is_made_with_a_model_keeps_it() {
    let (model, mut session) = session();
    drop(model);
    let text = session.read(&Image::open(examples().join("images/open.png")).unwrap(), None, &ReadOptions::new());
    assert_eq!(text.unwrap().text, "OPEN");
}

#[test]
fn characters_alternatives_and_places() {
    let (_, mut session) = session();
    let image = Image::open(examples().join("images/open.png")).unwrap();
    let reading = session.read(&image, None, &ReadOptions::new().alternatives(3).places(true)).unwrap();
    assert_eq!(reading.characters.iter().map(|character| character.text.as_str()).collect::<String>(), "OPEN");
    for character in &reading.characters {
        let [left, top, right, bottom] = character.place.unwrap();
        assert!(left < right && top < bottom && right <= image.width() as f32 && bottom <= image.height() as f32);
        assert_eq!((character.alternatives.len(), &character.alternatives[0].0), (3, &character.text));
    }
}

#[test]
fn constraints() {
    let (_, mut session) = session();
    let digits = Constraint::new(&Rules { pattern: Some("[0-9]{4}"), ..Rules::default() }).unwrap();
    assert!(digits.matches("2026") && !digits.matches("OPEN"));
    let image = Image::open(examples().join("images/2026.png")).unwrap();
    let reading = session.read(&image, None, &ReadOptions::new().constraint(&digits)).unwrap();
    assert!(reading.text == "2026" && !reading.unmatched);
    let wrong = Constraint::new(&Rules { pattern: Some("["), ..Rules::default() }).err().unwrap();
    assert!(wrong.status == sys::E2STR_ERROR_ARGUMENT && wrong.to_string().contains("pattern"));
}

#[test]
fn pictures_in_memory() {
    let (_, mut session) = session();
    let file = fs::read(examples().join("images/exit.jpg")).unwrap();
    assert_eq!(session.read(&Image::decode(&file).unwrap(), None, &ReadOptions::new()).unwrap().text, "EXIT");
    let white = vec![255u8; 30 * 20 * 3];
    let view = Image::view(&white, 30, 20, 90, Format::Bgr).unwrap();
    session.read(&view.rotate(90).trim(true), None, &ReadOptions::new()).unwrap();
    for (width, height, stride) in
        [(30, 21, 90), (31, 20, 90), (30, 20, 91), (u32::MAX, u32::MAX, usize::MAX), (1, 0, 3)]
    {
        assert!(Image::view(&white, width, height, stride, Format::Rgb).is_err(), "{width} {height} {stride}");
    }
}

#[test]
fn errors_name_what_is_wrong() {
    let missing = Image::open("none.png").err().unwrap();
    assert!(missing.status == sys::E2STR_ERROR_IO && missing.to_string().contains("none.png"));
    assert_eq!(Image::decode(b"nothing").err().unwrap().status, sys::E2STR_ERROR_IMAGE);
    assert_eq!(Image::open("a\0b").err().unwrap().status, sys::E2STR_ERROR_ARGUMENT);
    assert!(Model::open("none.gguf").err().unwrap().to_string().contains("none.gguf"));
    let (model, _) = session();
    assert_eq!(Session::new(&model, 0).err().unwrap().status, sys::E2STR_ERROR_ARGUMENT);
}
