//! Files that a user names, read so that it ends: in bounds, and nothing that gives no byte before somebody writes.

use std::fs::File;
use std::io::{Error, ErrorKind, Read as _, Result};
use std::path::Path;

/// A file's bytes, `longest` at most.
///
/// # Errors
/// What the system says; that it is longer; that it is a named pipe. What the shell puts in a file's place
/// (`<(...)`, `/dev/stdin`) and devices such as `/dev/null` are read.
pub fn read(path: &Path, longest: usize) -> Result<Vec<u8>> {
    if is_pipe(path) {
        return Err(Error::other("it is a named pipe, not a file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(longest as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > longest {
        let size = match longest >> 20 {
            0 => format!("{} KB", longest >> 10),
            megabytes => format!("{megabytes} MB"),
        };
        return Err(Error::new(ErrorKind::FileTooLarge, format!("it is longer than {size}")));
    }
    Ok(bytes)
}

/// Whether a program has to write into it before anything can be read. Those that a shell has made have one.
pub fn is_pipe(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt as _;
        let of_shell = ["/dev/fd", "/dev/stdin", "/proc"]
            .iter()
            .any(|place| path.starts_with(place));
        !of_shell && std::fs::metadata(path).is_ok_and(|found| found.file_type().is_fifo())
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        false
    }
}
