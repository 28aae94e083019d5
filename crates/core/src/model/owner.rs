//! Who owns an account, by its tag: people write names and several addresses into it.

/// The mail addresses in a tag's text, in lower case and each once, in the order in which they stand.
///
/// The rule is the notifier's: an address stands alone, as in `Ann <ann@example.com>`, or among others, between spaces,
/// commas, semicolons, slashes and colons. A word that is no address that mail can surely go to is left out: before the
/// `@` only letters, digits and `._%+=-`, after it a domain of at least two labels.
pub fn addresses(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let between = |c: char| c.is_whitespace() || ";,/:<>\"()".contains(c);
    for word in text.split(between) {
        let word = word.to_lowercase();
        if is_address(&word) && !found.contains(&word) {
            found.push(word);
        }
    }
    found
}

fn is_address(word: &str) -> bool {
    let Some((local, domain)) = word.split_once('@') else {
        return false;
    };
    let local_fits = (1..=64).contains(&local.len())
        && local
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._%+=-".contains(&byte));
    let Some((rest, top)) = domain.rsplit_once('.') else {
        return false;
    };
    let label =
        |label: &str| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    local_fits
        && rest.split('.').all(label)
        && (2..=24).contains(&top.len())
        && top.bytes().all(|byte| byte.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_however_people_write_them() {
        for (text, wanted) in [
            ("ann@example.com", &["ann@example.com"][..]),
            ("Ann Doe <Ann@Example.com>", &["ann@example.com"]),
            ("\"Doe, Ann\" <ann@example.com>", &["ann@example.com"]),
            ("a@x.io b@x.io", &["a@x.io", "b@x.io"]),
            ("a@x.io, b@x.io;c@x.io", &["a@x.io", "b@x.io", "c@x.io"]),
            ("a@x.io / b@x.io:c@x.io", &["a@x.io", "b@x.io", "c@x.io"]),
            ("a@x.io A@X.IO", &["a@x.io"]),
            ("mailto:a@x.io", &["a@x.io"]),
            (
                "team payments+bills=x@mail.example.co.uk",
                &["payments+bills=x@mail.example.co.uk"],
            ),
        ] {
            assert_eq!(addresses(text), wanted, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_left_out() {
        for text in [
            "",
            "ann.doe",
            "payments team",
            "a@x",
            "@example.com",
            "a@b@example.com",
            "o'brien@example.com",
            "ann@exämple.com",
            "ann@example.c",
            "ann@.com",
            "a@x.io+b@y.io",
        ] {
            assert_eq!(addresses(text), Vec::<String>::new(), "{text}");
        }
    }
}
