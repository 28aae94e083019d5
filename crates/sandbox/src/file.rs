//! The world's file: one per organisation, shared by any number of processes.
//!
//! The first line says which format and which generation the rest is, so that a process learns from a few bytes
//! that nothing has changed. A change is written beside it and renamed over it: whoever dies in the middle leaves
//! the old world.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::World;

/// The format that this billctl writes; a change that older ones can't read raises it.
const FORMAT: u32 = 1;

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    #[serde(rename = "billctl-sandbox")]
    format: u32,
    generation: String,
}

/// Why the file can't be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    #[error("there is no sandbox at {0}")]
    Missing(PathBuf),
    #[error("{0} is not a sandbox that can be read: {1}")]
    Damaged(PathBuf, String),
    #[error("{0} was made by a newer billctl (format {1}, this one reads {FORMAT})")]
    Newer(PathBuf, u32),
    #[error("there is a sandbox at {0} already")]
    Exists(PathBuf),
    #[error("{0}: {1}")]
    Io(PathBuf, io::Error),
}

/// Where a world is kept.
#[derive(Debug, Clone)]
pub(super) struct Store {
    path: PathBuf,
}

/// The right to change the file, until dropped.
pub(super) struct Lock {
    // Unlocked when it is closed.
    _file: File,
}

impl Store {
    pub(super) fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        // A link stays one: what it leads to is changed, and locked under one name.
        let path = match path.is_symlink() {
            true => fs::canonicalize(&path).unwrap_or(path),
            false => path,
        };
        Self { path }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for the right to change the file. The lock is a file of its own, because the world's is replaced by
    /// each change.
    pub(super) fn lock(&self) -> Result<Lock, FileError> {
        let path = self.beside("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|error| FileError::Io(path.clone(), error))?;
        file.lock().map_err(|error| FileError::Io(path, error))?;
        Ok(Lock { _file: file })
    }

    /// The generation on disk.
    pub(super) fn generation(&self) -> Result<String, FileError> {
        let (header, _) = self.header()?;
        Ok(header.generation)
    }

    /// The world on disk and its generation.
    pub(super) fn load(&self) -> Result<(World, String), FileError> {
        let (header, mut rest) = self.header()?;
        let mut text = String::new();
        rest.read_to_string(&mut text).map_err(|error| self.damaged(error))?;
        let world: World = serde_json::from_str(&text).map_err(|error| self.damaged(error))?;
        match world.fault() {
            None => Ok((world, header.generation)),
            Some(fault) => Err(self.damaged(fault)),
        }
    }

    fn header(&self) -> Result<(Header, BufReader<File>), FileError> {
        /// A longer first line isn't ours.
        const LONGEST: u64 = 512;
        if billctl_core::file::is_pipe(&self.path) {
            let error = io::Error::other("it is a named pipe, not a file");
            return Err(FileError::Io(self.path.clone(), error));
        }
        let file = File::open(&self.path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => FileError::Missing(self.path.clone()),
            _ => FileError::Io(self.path.clone(), error),
        })?;
        let mut reader = BufReader::new(file);
        let mut line = Vec::new();
        reader
            .by_ref()
            .take(LONGEST)
            .read_until(b'\n', &mut line)
            .map_err(|error| self.damaged(error))?;
        let header: Header =
            serde_json::from_slice(&line).map_err(|_| self.damaged("its first line is not a sandbox's"))?;
        if header.format > FORMAT {
            return Err(FileError::Newer(self.path.clone(), header.format));
        }
        Ok((header, reader))
    }

    /// Replaces the world on disk, and answers the new generation. The caller holds the lock.
    pub(super) fn save(&self, world: &World, _lock: &Lock) -> Result<String, FileError> {
        let generation = fresh_generation();
        let beside = self.beside("new");
        self.write(&beside, world, &generation)
            .and_then(|()| fs::rename(&beside, &self.path))
            .map_err(|error| FileError::Io(self.path.clone(), error))?;
        Ok(generation)
    }

    /// Writes a world where none is, or over one if `replace`; never over a file that isn't a sandbox.
    pub(super) fn create(&self, world: &World, replace: bool) -> Result<String, FileError> {
        let lock = self.lock()?;
        match self.header() {
            Err(FileError::Missing(_)) => {}
            Ok(_) if replace => {}
            Ok(_) => return Err(FileError::Exists(self.path.clone())),
            Err(error) => return Err(error),
        }
        self.save(world, &lock)
    }

    fn write(&self, path: &Path, world: &World, generation: &str) -> io::Result<()> {
        let mut file = BufWriter::new(File::create(path)?);
        let header = Header {
            format: FORMAT,
            generation: generation.to_owned(),
        };
        serde_json::to_writer(&mut file, &header)?;
        file.write_all(b"\n")?;
        serde_json::to_writer(&mut file, world)?;
        file.write_all(b"\n")?;
        file.flush()
    }

    /// The path with another ending, so that both are on the same file system.
    fn beside(&self, ending: &str) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(".");
        path.push(ending);
        path.into()
    }

    fn damaged(&self, why: impl fmt::Display) -> FileError {
        FileError::Damaged(self.path.clone(), why.to_string())
    }
}

/// Reads a map in which no key may stand twice: JSON allows it, and the last one would silently win.
pub(super) fn unique<'de, D, K, V>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
where
    D: Deserializer<'de>,
    K: Deserialize<'de> + Ord + fmt::Display,
    V: Deserialize<'de>,
{
    struct Unique<K, V>(PhantomData<(K, V)>);

    impl<'de, K, V> Visitor<'de> for Unique<K, V>
    where
        K: Deserialize<'de> + Ord + fmt::Display,
        V: Deserialize<'de>,
    {
        type Value = BTreeMap<K, V>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
            let mut map = BTreeMap::new();
            while let Some(key) = entries.next_key::<K>()? {
                if map.contains_key(&key) {
                    return Err(A::Error::custom(format_args!("{key} is there twice")));
                }
                map.insert(key, entries.next_value()?);
            }
            Ok(map)
        }
    }

    deserializer.deserialize_map(Unique(PhantomData))
}

/// A text that no other save has: not random, because time, process and count are enough.
fn fresh_generation() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!(
        "{}-{}-{}",
        jiff::Timestamp::now().as_nanosecond(),
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    )
}
