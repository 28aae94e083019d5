use std::io::Write;

use billctl_core::text;

/// Writes to stderr what isn't an answer: what happens meanwhile, questions, errors. That nobody can read it stops
/// nothing. Of control sequences only colours get through, whatever a text holds.
pub fn aside(text: &str) {
    let mut stderr = anstream::stderr().lock();
    let _ = stderr.write_all(text::terminal(text).as_bytes());
    let _ = stderr.flush();
}

/// The same as a place that something else writes to.
#[derive(Debug, Clone, Copy)]
pub struct Aside;

impl Write for Aside {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        aside(&String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
