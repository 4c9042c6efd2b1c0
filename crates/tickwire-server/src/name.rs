//! Names as others see them: one line of visible text. Names are text, never HTML; what draws them escapes them.

/// Characters of a name at most.
pub const NAME_CHARS_MAX: usize = 32;
/// Bytes of a name at most: what a frame holds.
pub const NAME_BYTES_MAX: usize = tickwire_proto::frame::NAME_MAX;

/// A name that is safe to show: no control characters, nothing that changes the direction of the text or cannot be seen,
/// no runs of space, at most [`NAME_CHARS_MAX`] characters. It may be empty.
///
/// ```
/// use tickwire_server::clean_name;
/// assert_eq!(clean_name("  Ann\t\u{202e}of\n Green  "), "Ann of Green");
/// assert_eq!(clean_name("\u{200b}\u{7}"), "");
/// ```
#[must_use]
pub fn clean_name(raw: &str) -> String {
    clean(raw, NAME_CHARS_MAX, NAME_BYTES_MAX)
}

/// The same for a line of a chat, or any other text that others see: at most so many characters.
#[must_use]
pub fn clean_line(raw: &str, chars_max: usize) -> String {
    clean(raw, chars_max, chars_max.saturating_mul(4))
}

/// The same for other short texts of a client that others get to see, such as attributes of rooms.
pub(crate) fn clean_text(raw: &str) -> String {
    clean(raw, NAME_BYTES_MAX, NAME_BYTES_MAX)
}

fn clean(raw: &str, chars_max: usize, bytes_max: usize) -> String {
    let mut name = String::new();
    let mut chars = 0;
    let mut gap = false;
    for c in raw.chars() {
        if c.is_whitespace() {
            gap = chars > 0;
            continue;
        }
        if is_hidden(c) {
            continue;
        }
        let needed = 1 + usize::from(gap);
        if chars + needed > chars_max || name.len() + c.len_utf8() + usize::from(gap) > bytes_max {
            break;
        }
        if std::mem::take(&mut gap) {
            name.push(' ');
        }
        name.push(c);
        chars += needed;
    }
    name
}

/// Characters that draw nothing, or change how their neighbours are drawn.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn directions_and_invisible_characters_go() {
        assert_eq!(clean_name("a\u{202e}b\u{2066}c\u{200f}d\u{feff}e"), "abcde");
        assert_eq!(clean_name("\u{1b}[31mred"), "[31mred");
        assert_eq!(
            clean_name("<b>Ann</b>"),
            "<b>Ann</b>",
            "text, not markup: kept as it is"
        );
        assert_eq!(clean_name("Zoë 🦀"), "Zoë 🦀");
    }

    proptest! {
        #[test]
        fn a_name_is_short_visible_and_clean_already(raw in "\\PC*|[\\s\\u{0}-\\u{ff}\\u{2000}-\\u{206f}]{0,200}") {
            let name = clean_name(&raw);
            prop_assert!(name.len() <= NAME_BYTES_MAX);
            prop_assert!(name.chars().count() <= NAME_CHARS_MAX);
            prop_assert!(!name.chars().any(|c| c.is_control() || is_hidden(c)));
            prop_assert!(!name.starts_with(' ') && !name.ends_with(' ') && !name.contains("  "));
            prop_assert_eq!(clean_name(&name), name);
        }
    }
}
