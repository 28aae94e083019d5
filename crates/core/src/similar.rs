//! "Did you mean": what of known names is like a text that is none of them.

/// Below this likeness (of 0 to 1) another name helps nobody.
const ALIKE: f64 = 0.6;

/// How alike two names are, if they are: case counts nothing, nor do underscores and spaces where others write hyphens.
pub fn likeness(text: &str, name: &str) -> Option<f64> {
    let plain = |text: &str| text.to_lowercase().replace(['_', ' '], "-");
    let likeness = strsim::normalized_damerau_levenshtein(&plain(text), &plain(name));
    (likeness >= ALIKE).then_some(likeness)
}

/// The name most like `text`, if one is alike.
pub fn nearest<'a>(text: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    names
        .into_iter()
        .filter_map(|name| Some((likeness(text, name)?, name)))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_alike_and_another_word_is_not() {
        let keys = ["threshold", "notify-ok", "measure"];
        assert_eq!(nearest("treshold", keys), Some("threshold"));
        assert_eq!(nearest("Notify_OK", keys), Some("notify-ok"));
        assert_eq!(nearest("colour", keys), None);
    }
}
