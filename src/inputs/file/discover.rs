//! Which files the globs match now.

use globset::{Glob, GlobBuilder, GlobMatcher, GlobSet, GlobSetBuilder};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

/// How deep `**` goes.
const DEPTH_MAX: usize = 16;

/// A match.
#[derive(Debug)]
pub(super) struct Found {
    pub path: PathBuf,
    pub metadata: Metadata,
}

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub files: Vec<Found>,
    /// Directories that were listed: to be watched.
    pub directories: Vec<PathBuf>,
    /// Matches that are no regular files.
    pub refused: Vec<PathBuf>,
    /// Directories and files that could not be looked at.
    pub errors: Vec<(PathBuf, io::Error)>,
}

/// One part of a path.
#[derive(Debug)]
enum Part {
    Name(String),
    Pattern(GlobMatcher),
    AnyDepth,
}

/// Globs, taken apart so that only directories that can hold a match are listed.
#[derive(Debug)]
pub(super) struct Globs {
    include: Vec<(PathBuf, Vec<Part>)>,
    exclude: GlobSet,
    own: Vec<PathBuf>,
}

fn glob(pattern: &str) -> Result<Glob, globset::Error> {
    GlobBuilder::new(pattern).literal_separator(true).build()
}

impl Globs {
    pub(super) fn new(include: &[String], exclude: &[String], own: &[PathBuf]) -> Result<Self, globset::Error> {
        let parts = |pattern: &String| -> Result<(PathBuf, Vec<Part>), globset::Error> {
            let root = if pattern.starts_with('/') { PathBuf::from("/") } else { PathBuf::from(".") };
            let parts = pattern.split('/').filter(|part| !part.is_empty()).map(|part| {
                Ok(match part {
                    "**" => Part::AnyDepth,
                    part if part.contains(['*', '?', '[', '{', '\\']) => Part::Pattern(glob(part)?.compile_matcher()),
                    part => Part::Name(part.to_owned()),
                })
            });
            Ok((root, parts.collect::<Result<_, globset::Error>>()?))
        };
        let mut excluded = GlobSetBuilder::new();
        for pattern in exclude {
            excluded.add(glob(pattern)?);
        }
        Ok(Self { include: include.iter().map(parts).collect::<Result<_, _>>()?, exclude: excluded.build()?, own: own.to_vec() })
    }

    /// Looks at the file system.
    pub(super) fn look(&self) -> Seen {
        let mut seen = Seen::default();
        for (root, parts) in &self.include {
            self.descend(root.clone(), parts, 0, &mut seen);
        }
        seen
    }

    fn descend(&self, at: PathBuf, parts: &[Part], depth: usize, seen: &mut Seen) {
        match parts {
            [] => {}
            [Part::Name(name), rest @ ..] => {
                let path = at.join(name);
                if rest.is_empty() { self.file(path, None, None, seen) } else { self.descend(path, rest, depth, seen) }
            }
            [Part::AnyDepth, rest @ ..] => {
                self.descend(at.clone(), rest, depth, seen);
                if depth < DEPTH_MAX {
                    for (path, kind, _) in list(&at, seen) {
                        // Links are not followed downwards: they may lead round in circles.
                        if kind.is_dir() {
                            self.descend(path, parts, depth + 1, seen);
                        }
                    }
                }
            }
            [Part::Pattern(pattern), rest @ ..] => {
                for (path, kind, entry) in list(&at, seen) {
                    if path.file_name().is_some_and(|name| pattern.is_match(Path::new(name))) {
                        if rest.is_empty() {
                            self.file(path, Some(kind), Some(&entry), seen);
                        } else if kind.is_dir() || kind.is_symlink() {
                            self.descend(path, rest, depth, seen);
                        }
                    }
                }
            }
        }
    }

    /// A match: a regular file, or a link to one.
    fn file(&self, path: PathBuf, kind: Option<fs::FileType>, entry: Option<&fs::DirEntry>, seen: &mut Seen) {
        if (!self.exclude.is_empty() && self.exclude.is_match(&path))
            || self.own.iter().any(|own| is_own(&path, own))
            || kind.is_some_and(|kind| kind.is_dir())
        {
            return;
        }
        if kind.is_some_and(|kind| kind.is_fifo() || kind.is_socket() || kind.is_char_device() || kind.is_block_device()) {
            return seen.refused.push(path);
        }
        // By its directory where it is no link: the whole path need not be walked again.
        let metadata = match entry {
            Some(entry) if kind.is_some_and(|kind| kind.is_file()) => entry.metadata(),
            _ => fs::metadata(&path),
        };
        match metadata {
            Ok(metadata) if metadata.is_file() => seen.files.push(Found { path, metadata }),
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => seen.refused.push(path),
            // Gone between two looks, or a dangling link: nothing to read.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => seen.errors.push((path, error)),
        }
    }
}

/// Whether a path is ours: the file itself, one in the directory, or a rotation of the file.
fn is_own(path: &Path, own: &Path) -> bool {
    let (path, own) = (path.as_os_str().as_bytes(), own.as_os_str().as_bytes());
    path.strip_prefix(own).is_some_and(|rest| matches!(rest.first(), None | Some(b'/' | b'.')))
}

/// Entries of a directory, in its own order.
fn list(directory: &Path, seen: &mut Seen) -> Vec<(PathBuf, fs::FileType, fs::DirEntry)> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) => {
            // A directory that is not there yet is looked for again.
            if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) {
                seen.errors.push((directory.to_owned(), error));
            }
            return Vec::new();
        }
    };
    seen.directories.push(directory.to_owned());
    entries.filter_map(Result::ok).filter_map(|entry| entry.file_type().ok().map(|kind| (entry.path(), kind, entry))).collect()
}
