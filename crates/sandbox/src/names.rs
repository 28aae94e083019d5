//! What names may be.

/// Whether this is a name as most services have them: ASCII letters, digits and these other characters, up to a length.
pub(super) fn is_name(text: &str, longest: usize, others: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || others.contains(c);
    (1..=longest).contains(&text.len()) && text.chars().all(fits)
}
