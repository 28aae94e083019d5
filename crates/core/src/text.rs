//! Text from outside (names, tags, AWS's messages, lines of files) made harmless for the place where it is shown.
//!
//! Whoever names an account, an OU or a tag decides what stands here, and so does whoever answers in AWS's place. The
//! model keeps every text as it came; each renderer passes it through the function for its kind of place.

use std::borrow::Cow;

/// Most characters of Unicode that show nothing, or change what stands beside them: Default_Ignorable_Code_Point
/// without the variation selectors, which choose how an emoji looks, and the interlinear marks. Zero-width characters,
/// direction overrides and isolates are among them (Unicode 16, DerivedCoreProperties.txt).
const fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e00ff}'
            | '\u{e01f0}'..='\u{e0fff}'
    )
}

/// Whether this can end a line or drive a terminal: C0, DEL, C1, and Unicode's two separators.
fn is_control(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}' | '\u{2029}')
}

/// Whether a text with this can be shown anywhere as it is.
fn is_harmless(character: char) -> bool {
    !is_control(character) && !is_invisible(character)
}

fn cleaned(character: char) -> Option<char> {
    match character {
        control if is_control(control) => Some(' '),
        character => (!is_invisible(character)).then_some(character),
    }
}

/// For a line of a terminal, a log or a file: no line ends in it, nothing drives the terminal, what one sees is what
/// is there, and no CI system takes it for a command. GitHub's runner and Azure Pipelines take `##[error]` and
/// `##vso[...]` anywhere on a line, GitHub's `::error::` where a line begins.
pub fn line(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars().filter_map(cleaned) {
        if character == '#' && safe.ends_with('#') || character == ':' && safe.trim_start() == ":" {
            safe.push(' ');
        }
        safe.push(character);
    }
    safe
}

/// The same for a text of any length in a message: one line, and so many characters of it at most.
pub fn bounded(text: &str, most: usize) -> String {
    // To clean ten megabytes takes its time. A character has four bytes at most, and most of what is left out is space.
    let end = text.floor_char_boundary(most.saturating_mul(16));
    let (head, rest) = text.split_at(end);
    let words: Vec<&str> = head.split_whitespace().collect();
    let line = line(&words.join(" "));
    match line.char_indices().nth(most) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None if rest.trim().is_empty() => line,
        None => format!("{line}..."),
    }
}

/// The same for a text of several lines.
pub fn lines(text: &str) -> String {
    let kept = |character| match character {
        '\n' => Some('\n'),
        other => cleaned(other),
    };
    text.chars().filter_map(kept).collect()
}

/// How often a limit goes into an amount, in the one form that mails, tables and reports have for it: `2.5x`. Two decimals
/// below 1.095, where they decide, and none from 9.95 on. The notifier's fragment `times` does the same.
pub fn times(ratio: f64) -> String {
    let rounded = |parts: f64| (ratio * parts + 0.500_000_1).floor() / parts;
    if ratio < 1.095 {
        format!("{:.2}x", rounded(100.0))
    } else if ratio < 9.95 {
        format!("{:.1}x", rounded(10.0))
    } else {
        format!("{}x", thousands(&format!("{:.0}", rounded(1.0))))
    }
}

/// The digits of a whole number with commas between its thousands.
pub(crate) fn thousands(digits: &str) -> String {
    let groups = digits.as_bytes().rchunks(3).rev();
    let groups: Vec<&str> = groups.map(|group| str::from_utf8(group).unwrap_or_default()).collect();
    groups.join(",")
}

/// For a message about what somebody wrote: the same as [`line()`], but what would be cleaned away is there to be seen,
/// `\u{202e}`.
pub fn visible(text: &str) -> String {
    let shown = |character: char| match is_harmless(character) {
        true => character.to_string(),
        false => character.escape_default().to_string(),
    };
    text.chars().map(shown).collect()
}

/// For TOML: a string on one line that is the text, whatever is in it. (TOML's own writer would choose other quotes for
/// some texts, and leave in what one doesn't see.)
pub fn toml(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            plain if is_harmless(plain) => quoted.push(plain),
            other if u32::from(other) < 0x1_0000 => quoted.push_str(&format!("\\u{:04X}", u32::from(other))),
            other => quoted.push_str(&format!("\\U{:08X}", u32::from(other))),
        }
    }
    quoted.push('"');
    quoted
}

/// Whole output on its way to a terminal or a log: a net below everything that is written. Line ends, tabs and colours
/// pass (`ESC [ 1 ; 31 m`), no other sequence does, and no command to a CI system.
pub fn terminal(text: &str) -> Cow<'_, str> {
    const COMMANDS: [(&str, &str); 2] = [("##[", "## ["), ("##vso[", "## vso[")];
    let plain = |character: char| matches!(character, '\n' | '\t') || is_harmless(character);
    if text.chars().all(plain) && !COMMANDS.iter().any(|(command, _)| text.contains(command)) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let style = style(rest);
        let (part, after) = rest.split_at(style.map_or(character.len_utf8(), str::len));
        match character {
            _ if style.is_some() => safe.push_str(part),
            '\n' | '\t' => safe.push(character),
            other => safe.extend(cleaned(other)),
        }
        rest = after;
    }
    Cow::Owned(
        COMMANDS
            .iter()
            .fold(safe, |safe, (command, broken)| safe.replace(command, broken)),
    )
}

/// The colour or style that this text begins with: `ESC [`, numbers, `m`.
fn style(text: &str) -> Option<&str> {
    let numbers = text.strip_prefix("\u{1b}[")?;
    let end = numbers.find(|character: char| !character.is_ascii_digit() && character != ';')?;
    numbers.get(end..)?.starts_with('m').then(|| text.get(..end + 3))?
}

/// For a line of Markdown, also in a table's cell: it makes no link, image, mention, reference, HTML, emphasis or
/// row.
///
/// Words in which anything could be meant by Markdown, or by what GitHub and GitLab make of a page afterwards, become
/// code, the one place where both leave everything as it is. So does what stands between backticks already: commands
/// in billctl's own words stay what they are, and a name that brings backticks gains nothing.
pub fn markdown(text: &str) -> String {
    let text = line(text);
    let parts: Vec<&str> = text.split('`').collect();
    let mut out = String::with_capacity(text.len());
    for (index, part) in parts.iter().enumerate() {
        let quoted = index % 2 == 1;
        if quoted && index + 1 == parts.len() {
            // A last backtick without a partner.
            push_code(&mut out, &format!("`{part}"));
        } else if quoted {
            push_code(&mut out, part);
        } else {
            push_words(&mut out, part);
        }
    }
    out
}

/// For Markdown, whatever the text is: as code.
pub fn code(text: &str) -> String {
    let mut out = String::new();
    push_code(&mut out, &line(text));
    out
}

/// For Markdown: a block that nothing in the text can end.
pub fn block(language: &str, text: &str) -> String {
    let text = lines(text);
    let fence = "`".repeat(longest_backticks(&text).max(2) + 1);
    format!("{fence}{language}\n{}\n{fence}", text.trim_end_matches('\n'))
}

/// A part without backticks: risky words that follow one another become one piece of code.
fn push_words(out: &mut String, part: &str) {
    let mut risky: Vec<&str> = Vec::new();
    let mut first = out.is_empty();
    let mut separate = false;
    for word in part.split(' ') {
        if std::mem::replace(&mut separate, true) && risky.is_empty() {
            out.push(' ');
        }
        let between = word.is_empty() && !risky.is_empty();
        if between || is_risky(word, first) {
            risky.push(word);
        } else {
            if !risky.is_empty() {
                push_code(out, &risky.join(" "));
                risky.clear();
                out.push(' ');
            }
            out.push_str(word);
        }
        first &= word.is_empty();
    }
    if !risky.is_empty() {
        push_code(out, &risky.join(" "));
    }
}

/// A code span. A run of backticks that is longer than any in the text holds it together.
fn push_code(out: &mut String, text: &str) {
    let text = text.trim_matches(' ');
    if text.is_empty() {
        return;
    }
    // Two spans side by side would be read as one, and what follows as none.
    if out.ends_with('`') {
        out.push(' ');
    }
    let fence = "`".repeat(longest_backticks(text) + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') {
        " "
    } else {
        ""
    };
    out.push_str(&format!("{fence}{pad}{text}{pad}{fence}"));
}

fn longest_backticks(text: &str) -> usize {
    text.split(|character| character != '`')
        .map(str::len)
        .max()
        .unwrap_or(0)
}

/// Whether a word may be more than a word: to Markdown, to GitHub or to GitLab.
fn is_risky(word: &str, first: bool) -> bool {
    // Emphasis, links, images, HTML, tables, escapes, entities; mentions, issues, labels, alerts.
    word.contains(['\\', '*', '_', '[', ']', '<', '|', '&', '@', '#', '^', '~', '{', '}'])
        // A merge request, a milestone or a formula; "done!", "95%" and "$100" are none.
        || word.split(['!', '%']).skip(1).any(|after| after.starts_with(char::is_alphanumeric))
        || word.split('$').skip(1).any(|after| !after.starts_with(|next: char| next.is_ascii_digit()))
        // An emoji by its name, a path of ARN's, an address; "remedy:" and "12:30" are none.
        || word.matches(':').count() > 1
        || word.contains("://")
        || starts_with(word, "www.") || word.to_ascii_lowercase().contains("gh-")
        || (first && is_marker(word))
}

fn starts_with(word: &str, start: &str) -> bool {
    let word = word.trim_start_matches(|character: char| !character.is_alphanumeric());
    word.get(..start.len())
        .is_some_and(|found| found.eq_ignore_ascii_case(start))
}

/// Whether a line that begins so is a list, a quotation, a heading's underline or a command to GitLab.
fn is_marker(word: &str) -> bool {
    let number = word.trim_start_matches(|character: char| character.is_ascii_digit());
    word.starts_with(['>', '/'])
        || (!word.is_empty() && word.chars().all(|character| matches!(character, '-' | '+' | '=')))
        || (number.len() < word.len() && matches!(number, "." | ")"))
}

/// For a mail, whatever its part: nothing that a mail program makes a link or an address of. A dot before a letter becomes
/// one that no address has. The notifier's `clean` does the same (assets/notifier.asl.yaml).
pub fn mail(text: &str) -> String {
    let plain = line(text).replace("://", " ").replace('@', " at ");
    let mut safe = String::with_capacity(plain.len());
    let mut characters = plain.chars().peekable();
    while let Some(character) = characters.next() {
        let joins = character == '.' && characters.peek().is_some_and(|next| !next.is_whitespace());
        safe.push(if joins { '\u{2024}' } else { character });
    }
    safe.trim().to_owned()
}

/// For HTML, in quoted attributes too. A line of its own, as HTML has no other use for what is cleaned away.
pub fn html(text: &str) -> String {
    let plain: String = text.chars().filter_map(cleaned).collect();
    plain
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

/// For a field of CSV, which quotes commas and quotation marks itself. A spreadsheet takes a field that begins so for
/// a formula: an apostrophe keeps it a text (OWASP, CSV injection).
pub fn csv(text: &str) -> String {
    let text = line(text);
    let formula = ['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];
    if text.trim_start().starts_with(formula) {
        format!("'{text}")
    } else {
        text
    }
}

/// For a finished JSON document: what JSON allows in texts and a terminal or an editor doesn't is written as an
/// escape, and so is what begins a command in a CI's log (see [`line()`]). It is the same document.
pub fn json(document: &str) -> Cow<'_, str> {
    let plain = |character: char| matches!(character, '\n' | '\t') || is_harmless(character);
    if document.chars().all(plain) && !document.contains("##") {
        return Cow::Borrowed(document);
    }
    let mut safe = String::with_capacity(document.len());
    for character in document.chars() {
        if plain(character) && !(character == '#' && safe.ends_with('#')) {
            safe.push(character);
            continue;
        }
        // Outside of texts JSON is ASCII, and its line ends are kept: this is inside of one.
        for unit in character.encode_utf16(&mut [0; 2]) {
            safe.push_str(&format!("\\u{unit:04x}"));
        }
    }
    Cow::Owned(safe)
}

/// The text as far as it may be long, in characters, with a sign where something is missing.
pub fn at_most(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((end, _)) => format!("{} ...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// `1 account`, `2 accounts`.
pub fn plural(count: usize, noun: &str) -> String {
    if count == 1 {
        format!("1 {noun}")
    } else {
        format!("{count} {noun}s")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOSTILE: &str = "\u{1b}]52;c;AAAA\u{7}\u{9b}2J\r\n\u{202e}\u{2066}a\u{200b}b\u{2028}\u{e0041}";

    #[test]
    fn a_text_of_any_length_is_shown_in_part() {
        for (text, shown) in [
            ("", ""),
            (" a\n b ", "a b"),
            ("aaaa", "aaaa"),
            ("aaaaa", "aaaa..."),
            ("\u{202e}äöü ßx", "äöü ..."),
        ] {
            assert_eq!(bounded(text, 4), shown, "{text}");
        }
        assert_eq!(bounded(&format!("a{}b", " ".repeat(1000)), 4), "a...");
        assert_eq!(bounded(&"x".repeat(10_000_000), 300).len(), 303);
    }

    #[test]
    fn a_mail_has_no_links_and_no_addresses_of_others() {
        assert_eq!(
            mail("log in at https://evil.example/x"),
            "log in at https evil\u{2024}example/x"
        );
        assert_eq!(mail("a@example.com. Yes."), "a at example\u{2024}com. Yes.");
        assert_eq!(mail(HOSTILE), "]52;c;AAAA  2J  ab");
    }

    #[test]
    fn the_limit_goes_into_an_amount_so_often() {
        for (ratio, words) in [
            (0.0, "0.00x"),
            (0.288, "0.29x"),
            (1.004, "1.00x"),
            (1.04, "1.04x"),
            (1.094, "1.09x"),
            (1.095, "1.1x"),
            (2.5096, "2.5x"),
            (9.949, "9.9x"),
            (9.95, "10x"),
            (999.6, "1,000x"),
            (12_346.3, "12,346x"),
            (1_234_567.0, "1,234,567x"),
        ] {
            assert_eq!(times(ratio), words, "{ratio}");
        }
    }

    #[test]
    fn a_line_is_one_line_of_what_one_sees() {
        assert_eq!(line(HOSTILE), " ]52;c;AAAA  2J  ab ");
        assert_eq!(line("Zürich 🦀 ❤\u{fe0f} 財務"), "Zürich 🦀 ❤\u{fe0f} 財務");
        assert_eq!(lines("a\n\tb\u{1b}"), "a\n b ");
        assert_eq!(
            line(" ::stop-commands::x ##\u{200b}#vso[task.x]"),
            " : :stop-commands::x # # #vso[task.x]"
        );
    }

    #[test]
    fn colours_reach_the_terminal_and_nothing_else_does() {
        assert_eq!(
            terminal("\u{1b}[1;31merror:\u{1b}[0m\tx\n"),
            "\u{1b}[1;31merror:\u{1b}[0m\tx\n"
        );
        assert_eq!(terminal("\u{1b}[2J\u{1b}]0;title\u{7}\u{1b}[1"), " [2J ]0;title  [1");
        assert_eq!(terminal("\u{1b}\u{1b}[m\u{1b}[?25l"), " \u{1b}[m [?25l");
    }

    #[test]
    fn markdown_leaves_harmless_words_and_makes_code_of_others() {
        for (text, expected) in [
            ("payments-prod 2", "payments-prod 2"),
            ("95% of $100.00, at 12:30 (done!)", "95% of $100.00, at 12:30 (done!)"),
            ("run `billctl deploy` again", "run `billctl deploy` again"),
            ("see [x](https://evil/) now", "see `[x](https://evil/)` now"),
            ("@org/everyone and @you", "`@org/everyone` and `@you`"),
            ("<img src=x> b", "`<img` src=x> b"),
            ("a|b", "`a|b`"),
            ("prod_web", "`prod_web`"),
            ("a `b", "a `` `b ``"),
            ("`a``b`", "`a` `b`"),
            ("#1 !2 ~3  ^4 x", "`#1 !2 ~3  ^4` x"),
            ("- x", "`-` x"),
            ("1. x", "`1.` x"),
            ("www.evil.example :smile:", "`www.evil.example :smile:`"),
            ("$x$ and $1", "`$x$` and $1"),
            ("", ""),
        ] {
            assert_eq!(markdown(text), expected, "{text}");
        }
    }

    #[test]
    fn a_block_ends_where_it_should() {
        assert_eq!(block("text", "a\n```\nb\n"), "````text\na\n```\nb\n````");
        assert_eq!(block("", "a"), "```\na\n```");
    }

    #[test]
    fn a_field_is_no_formula() {
        assert_eq!(csv("=HYPERLINK(\"x\")"), "'=HYPERLINK(\"x\")");
        assert_eq!(csv("\t\r@SUM(1)"), "'  @SUM(1)");
        assert_eq!(csv("\u{ff1d}1"), "'\u{ff1d}1");
        assert_eq!(csv("payments-prod"), "payments-prod");
    }

    #[test]
    fn json_stays_the_same_document() {
        let document =
            serde_json::to_string_pretty(&serde_json::json!({ "name": format!("{HOSTILE}###[x]") })).unwrap();
        let safe = json(&document);
        assert!(
            safe.chars()
                .all(|character| character == '\n' || is_harmless(character)),
            "{safe}"
        );
        assert!(!safe.contains("##"), "{safe}");
        let (before, after): (serde_json::Value, serde_json::Value) = (
            serde_json::from_str(&document).unwrap(),
            serde_json::from_str(&safe).unwrap(),
        );
        assert_eq!(before, after);
    }

    /// Any text, most of all of what means something somewhere.
    fn texts() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            4 => prop::sample::select(" `\\|*_[]()<>#!@&$%~^:=+-./w1a\u{1b}\u{9b}\n\u{202e}".chars().collect::<Vec<_>>())
                .prop_map(String::from),
            1 => any::<char>().prop_map(String::from),
            1 => prop::sample::select(vec!["://", "www.", "GH-1", "[31m", "]0;", "```"]).prop_map(str::to_owned),
        ];
        prop::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn every_text_is_harmless_afterwards(text in texts()) {
            let all = [line(&text), visible(&text), csv(&text), html(&text), toml(&text), markdown(&text), code(&text)];
            for safe in all {
                prop_assert!(safe.chars().all(is_harmless), "{safe:?}");
            }
            prop_assert_eq!(line(&line(&text)), line(&text));
            let shown = terminal(&text);
            prop_assert_eq!(terminal(&shown).into_owned(), shown.clone().into_owned());
            let unpainted = shown.replace("\u{1b}[31m", "").replace("\u{1b}[m", "");
            prop_assert!(!unpainted.contains(['\u{9b}', '\u{202e}', '\r']), "still there");
        }

        /// Outside of code no character is left that means anything.
        #[test]
        fn whatever_markdown_could_read_is_code(text in texts()) {
            let safe = markdown(&text);
            let mut rest = safe.as_str();
            while !rest.is_empty() {
                let run = rest.len() - rest.trim_start_matches('`').len();
                if run == 0 {
                    let end = rest.find('`').unwrap_or(rest.len());
                    prop_assert!(!rest[..end].contains(['\\', '*', '_', '[', ']', '<', '|', '&', '@', '#']), "{safe:?}");
                    rest = &rest[end..];
                    continue;
                }
                // A span ends with the next run of the same length.
                let mut end = run;
                loop {
                    let at = rest[end..].find('`').map(|at| end + at);
                    prop_assert!(at.is_some(), "an open span: {safe:?}");
                    let at = at.unwrap_or_default();
                    let closing = rest[at..].len() - rest[at..].trim_start_matches('`').len();
                    end = at + closing;
                    if closing == run {
                        break;
                    }
                }
                rest = &rest[end..];
            }
        }
    }
}
