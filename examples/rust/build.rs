// SPDX-License-Identifier: MIT
//! Where the library is: what `pkg-config e2str` says (PKG_CONFIG_PATH), or the folder E2STR_LIB_DIR. With
//! E2STR_STATIC=1 the archive is linked, with what pkg-config says that it needs.
use std::{env, process::Command};

fn pkg_config(arguments: &[&str]) -> Result<Vec<String>, String> {
    let program = env::var("PKG_CONFIG").unwrap_or_else(|_| "pkg-config".into());
    let output = Command::new(&program).args(arguments).output().map_err(|error| format!("{program}: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let words = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(words.split_whitespace().map(String::from).collect())
}

fn main() {
    for name in ["E2STR_LIB_DIR", "E2STR_STATIC", "PKG_CONFIG", "PKG_CONFIG_PATH"] {
        println!("cargo:rerun-if-env-changed={name}");
    }
    let archive = env::var("E2STR_STATIC").map_or(false, |value| value == "1");
    let kind = if archive { "static:-bundle" } else { "dylib" };
    let flags = match env::var("E2STR_LIB_DIR") {
        Ok(folder) => vec![format!("-L{folder}"), "-le2str".into()],
        Err(_) => {
            // The same minor version while the major one is 0.
            let part = |name| env::var(name).unwrap().parse::<u32>().unwrap();
            let (major, minor) = (part("CARGO_PKG_VERSION_MAJOR"), part("CARGO_PKG_VERSION_MINOR"));
            let (from, below) = (format!("e2str >= {major}.{minor}"), format!("e2str < {major}.{}", minor + 1));
            let found = pkg_config(&["--print-errors", &from, &below]);
            let linking = if archive { &["--static", "--libs", "e2str"][..] } else { &["--libs", "e2str"] };
            found
                .and_then(|_| pkg_config(linking))
                .unwrap_or_else(|why| panic!("libe2str is not found, and E2STR_LIB_DIR is not set: {why}"))
        }
    };
    for flag in &flags {
        if let Some(folder) = flag.strip_prefix("-L") {
            println!("cargo:rustc-link-search=native={folder}");
            println!("cargo:libdir={folder}"); // DEP_E2STR_LIBDIR for packages that depend on this one
        } else if flag == "-le2str" {
            println!("cargo:rustc-link-lib={kind}=e2str");
        } else if let Some(library) = flag.strip_prefix("-l") {
            println!("cargo:rustc-link-lib={library}");
        }
    }
}
