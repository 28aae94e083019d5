//! What stands around a place of a file, as far as it can be shown: lines cut to a window, and what one wouldn't see made
//! visible. Whoever formats it needs no more room than a terminal has, however long a line is.

use std::ops::Range;

use billctl_core::text;

/// Characters of a line, and those before the place where one has to be cut.
const WIDEST: usize = 160;
const BEFORE: usize = 40;

/// Lines that a place may go over; of a longer one the first is shown.
const MOST_LINES: usize = 12;

/// The lines around some places, and where in them the places are. Every other line is empty, so that each keeps its
/// number.
#[derive(Debug)]
pub(super) struct Excerpt {
    pub(super) text: String,
    pub(super) spans: Vec<Range<usize>>,
}

impl Excerpt {
    /// What is around these places of `text`, in bytes.
    pub(super) fn of(text: &str, places: &[Range<usize>]) -> Self {
        let starts: Vec<usize> = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect();
        let line_of = |byte: usize| starts.partition_point(|start| *start <= byte).saturating_sub(1);
        let end_of = |line: usize| starts.get(line + 1).map_or(text.len(), |next| next - 1);
        // Within the text, between characters, and not over more lines than can be shown.
        let places: Vec<Range<usize>> = places
            .iter()
            .map(|place| {
                let start = text.floor_char_boundary(place.start.min(text.len()));
                let end = text.ceil_char_boundary(place.end.clamp(start, text.len()));
                let first = line_of(start);
                let end = if line_of(end) - first > MOST_LINES {
                    end_of(first).max(start)
                } else {
                    end
                };
                start..end
            })
            .collect();
        let mut excerpt = Self {
            text: String::new(),
            spans: places.iter().map(|_| 0..0).collect(),
        };
        for (line, start) in starts.iter().enumerate() {
            if line > 0 {
                excerpt.text.push('\n');
            }
            let near = places
                .iter()
                .any(|place| (line_of(place.start).saturating_sub(1)..=line_of(place.end) + 1).contains(&line));
            if near {
                excerpt.line(text, *start..end_of(line), &places);
            }
        }
        excerpt
    }

    /// Adds a line, cut around the first place on it.
    fn line(&mut self, text: &str, line: Range<usize>, places: &[Range<usize>]) {
        let whole = text.get(line.clone()).unwrap_or_default().trim_end_matches('\r');
        let first = places
            .iter()
            .map(|place| place.start)
            .find(|start| line.contains(start));
        let skip = match whole.char_indices().nth(WIDEST) {
            None => 0,
            Some(_) => {
                let into = first.map_or(0, |first| first - line.start);
                let before = whole.get(..into).unwrap_or(whole).chars().count();
                before.saturating_sub(BEFORE)
            }
        };
        if skip > 0 {
            self.text.push_str("... ");
        }
        let mut characters = whole.char_indices().skip(skip);
        for (offset, character) in characters.by_ref().take(WIDEST) {
            self.mark(line.start + offset, places);
            match character {
                '\t' => self.text.push('\t'),
                other => self.text.push_str(&text::visible(other.encode_utf8(&mut [0; 4]))),
            }
            self.reach(line.start + offset + character.len_utf8(), places);
        }
        if characters.next().is_some() {
            self.text.push_str(" ...");
        }
        // A place at the line's end, or one that begins before or ends after what is shown.
        for (span, place) in self.spans.iter_mut().zip(places) {
            if (line.start..=line.end).contains(&place.start) && *span == (0..0) {
                *span = self.text.len()..self.text.len();
            }
        }
    }

    /// A place that begins at this byte begins here.
    fn mark(&mut self, byte: usize, places: &[Range<usize>]) {
        for (span, place) in self.spans.iter_mut().zip(places) {
            if place.start == byte {
                *span = self.text.len()..self.text.len();
            }
        }
    }

    /// What is shown up to this byte belongs to the places that go so far.
    fn reach(&mut self, byte: usize, places: &[Range<usize>]) {
        for (span, place) in self.spans.iter_mut().zip(places) {
            if place.start < byte && byte <= place.end {
                span.end = self.text.len();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str, place: Range<usize>) -> (String, String) {
        let excerpt = Excerpt::of(text, std::slice::from_ref(&place));
        let under = excerpt.text[excerpt.spans[0].clone()].to_owned();
        (excerpt.text, under)
    }

    #[test]
    fn a_short_file_stays_what_it_is() {
        let text = "a = 1\nb = \"x\"\nc = 3";
        assert_eq!(shown(text, 10..13), (text.to_owned(), "\"x\"".to_owned()));
    }

    #[test]
    fn lines_that_are_far_away_are_empty_but_keep_their_numbers() {
        let (text, under) = shown("1\n2\n3\n4\n5\n6", 6..7);
        assert_eq!((text.as_str(), under.as_str()), ("\n\n3\n4\n5\n", "4"));
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let text = format!("{}\"12345\"{}", "1,".repeat(40_000), ",2".repeat(40_000));
        let (line, under) = shown(&text, 80_000..80_007);
        assert_eq!(under, "\"12345\"");
        assert!(line.starts_with("... 1,1,") && line.ends_with(" ..."), "{line}");
        assert!(line.chars().count() < 200);
    }

    #[test]
    fn what_one_does_not_see_is_visible() {
        let text = "a = \"\u{1b}\u{202e}b\"";
        assert_eq!(shown(text, 4..text.len()).1, "\"\\u{1b}\\u{202e}b\"");
    }

    proptest! {
        #[test]
        fn any_place_of_any_text_can_be_shown(text in "(.|\n){0,400}", start in 0_usize..500, length in 0_usize..500) {
            let excerpt = Excerpt::of(&text, &[start..start + length, length..start]);
            for span in &excerpt.spans {
                prop_assert!(excerpt.text.get(span.clone()).is_some(), "{excerpt:?}");
            }
            prop_assert!(excerpt.text.lines().all(|line| line.chars().count() < 12 * WIDEST));
            prop_assert_eq!(excerpt.text.matches('\n').count(), text.matches('\n').count());
        }
    }
}
