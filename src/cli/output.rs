use std::fs;
use std::io::{ErrorKind, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use billctl_core::error::{Error, Result, WhileTrying};
use billctl_core::text;

/// Prints a line of a command's answer, as `println!` does, but where that fails it is an error and no panic.
macro_rules! say {
    ($($text:tt)*) => {
        $crate::cli::output::Outputs::print(format!("{}\n", format_args!($($text)*)))
    };
}

/// Prints a line to stderr, as `eprintln!` does, but where that fails nothing happens: what stands there is no answer.
macro_rules! aside {
    ($($text:tt)*) => {
        $crate::render::aside(&format!("{}\n", format_args!($($text)*)))
    };
}

/// Where a command's answers go: files, and standard output, which one answer at most can have.
#[derive(Debug)]
pub(super) struct Outputs {
    /// Whether an answer goes to standard output.
    pub takes_stdout: bool,
}

const STDOUT: &str = "-";

static PRINTED: AtomicBool = AtomicBool::new(false);

impl Outputs {
    /// The outputs that options name. Nothing is written yet.
    ///
    /// # Errors
    /// Two options name the same place, or a place where no file can be.
    pub(super) fn new<'a>(named: impl IntoIterator<Item = (&'a str, &'a Path)>) -> Result<Self> {
        let mut taken: Vec<(&str, &Path)> = Vec::new();
        for (option, path) in named {
            if let Some((other, _)) = taken.iter().find(|(_, other)| *other == path) {
                let shown = match Self::is_stdout(path) {
                    true => "standard output".to_owned(),
                    false => path.display().to_string(),
                };
                return Err(
                    Error::usage(format!("{other} and {option} would both write to {shown}"))
                        .remedy("give one of them another FILE"),
                );
            }
            if !Self::is_stdout(path) {
                check(path)?;
            }
            taken.push((option, path));
        }
        let takes_stdout = taken.iter().any(|(_, path)| Self::is_stdout(path));
        Ok(Self { takes_stdout })
    }

    /// Whether this means standard output.
    pub(super) fn is_stdout(path: &Path) -> bool {
        path == Path::new(STDOUT)
    }

    /// Whether this process has written to standard output.
    pub(super) fn has_printed() -> bool {
        PRINTED.load(Ordering::Relaxed)
    }

    /// Writes to standard output. Who reads it may stop reading, as `head` does. Of control sequences only colours get
    /// through, whatever an answer holds.
    ///
    /// # Errors
    /// What the system says, such as that the disk is full.
    pub(super) fn print(text: impl AsRef<str>) -> Result<()> {
        PRINTED.store(true, Ordering::Relaxed);
        let mut stdout = anstream::stdout().lock();
        let text = text::terminal(text.as_ref());
        let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
        match written {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).while_trying("write to standard output"),
            _ => Ok(()),
        }
    }

    /// The terminal's columns; `None` where standard output is a file or a program, which take lines of any length.
    pub(super) fn width() -> Option<usize> {
        let stdout = std::io::stdout();
        if !stdout.is_terminal() {
            return None;
        }
        terminal_size::terminal_size_of(stdout).map(|(width, _)| usize::from(width.0))
    }

    /// Writes an answer. A file is replaced as a whole: whoever reads it, and whenever this process is ended, finds
    /// either all of the old one or all of the new one.
    ///
    /// # Errors
    /// What the system says about the file.
    pub(super) fn put(&self, path: &Path, text: &str) -> Result<()> {
        if Self::is_stdout(path) {
            return Self::print(text);
        }
        replace(path, text).while_trying(format!("write {}", path.display()))
    }
}

/// Makes a file that isn't there yet, as a whole or not at all, even if somebody else makes it meanwhile.
///
/// # Errors
/// `AlreadyExists`; what the system says about the file.
pub(super) fn create(path: &Path, text: &str) -> std::io::Result<()> {
    let beside = beside(path);
    let written = write_new(&beside, None, text).and_then(|()| match fs::hard_link(&beside, path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            // Not every file system has links.
            let made = write_new(path, None, text);
            if made
                .as_ref()
                .is_err_and(|error| error.kind() != ErrorKind::AlreadyExists)
            {
                let _ = fs::remove_file(path);
            }
            made
        }
        linked => linked,
    });
    let _ = fs::remove_file(&beside);
    written
}

/// A name for the file while it is written.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    path.with_file_name(name)
}

fn write_new(path: &Path, permissions: Option<fs::Permissions>, text: &str) -> std::io::Result<()> {
    let mut file = fs::File::create_new(path)?;
    if let Some(permissions) = permissions {
        file.set_permissions(permissions)?;
    }
    file.write_all(text.as_bytes())
}

fn check(path: &Path) -> Result<()> {
    let shown = path.display();
    if path.as_os_str().is_empty() {
        return Err(Error::usage("a file's name is empty"));
    }
    if path.is_dir() {
        return Err(
            Error::usage(format!("{shown} is a folder")).remedy("name the file to write, such as report.html in it")
        );
    }
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        return Err(Error::usage(format!(
            "{shown} can't be written: there is no folder {}",
            folder.display()
        )));
    }
    Ok(())
}

/// Writes a file as a whole or not at all, over one that is there.
///
/// # Errors
/// What the system says about the file.
pub(super) fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    // A link stays one; what it leads to is replaced.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let found = fs::metadata(&path);
    // A pipe or a device, such as /dev/stdout, is written to: it can't be replaced.
    if found.as_ref().is_ok_and(|found| !found.is_file()) {
        return fs::write(path, text);
    }
    // To replace it would get round that.
    if found.as_ref().is_ok_and(|found| found.permissions().readonly()) {
        return Err(ErrorKind::PermissionDenied.into());
    }
    let beside = beside(&path);
    let permissions = found.as_ref().ok().map(fs::Metadata::permissions);
    let written = match write_new(&beside, permissions, text) {
        // In a folder of others one can only write into one's file.
        Err(error) if error.kind() == ErrorKind::PermissionDenied && found.is_ok() => {
            return fs::write(path, text);
        }
        written => written.and_then(|()| fs::rename(&beside, &path)),
    };
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_as_a_whole_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.html");
        fs::write(&path, "old").unwrap();
        // Whoever has the old file open goes on reading the old one.
        let mut open = fs::File::open(&path).unwrap();
        let outputs = Outputs::new([("--html", path.as_path())]).unwrap();
        outputs.put(&path, "new").unwrap();
        let mut old = String::new();
        std::io::Read::read_to_string(&mut open, &mut old).unwrap();
        assert_eq!(old, "old");
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(names(folder.path()), ["report.html"]);
    }

    #[test]
    fn a_file_is_made_once_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        create(&path, "mine").unwrap();
        assert_eq!(create(&path, "other").unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
        assert_eq!(names(folder.path()), ["config.toml"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let outputs = Outputs::new([("--csv", link.as_path())]).unwrap();
        outputs.put(&link, "new").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
    }

    #[test]
    fn what_cant_be_written_is_said_before_anything_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let error = |path: &Path| Outputs::new([("--csv", path)]).unwrap_err().to_string();
        assert!(error(folder.path()).contains("is a folder"));
        assert!(error(&folder.path().join("no/where.csv")).contains("there is no folder"));
        assert!(error(Path::new("")).contains("empty"));
    }

    #[test]
    fn two_answers_dont_share_a_place() {
        let both = [("--csv", Path::new("-")), ("--json", Path::new("-"))];
        let error = Outputs::new(both).unwrap_err().to_string();
        assert_eq!(error, "--csv and --json would both write to standard output");
    }
}
