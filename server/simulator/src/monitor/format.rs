//! Formats as FormatMessage knows them, which LogEvent takes: `%1` is a string, `%1!u!` a number, `%%` a percent sign.

/// The most arguments that a format asks for.
pub(super) const MOST: usize = 99;

/// A piece of a format.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(char),
    Argument(Argument),
    /// `%0`: the text ends without more.
    End,
}

/// An argument: its place from 1, and how it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Argument {
    place: usize,
    flags: String,
    width: Size,
    precision: Size,
    kind: Kind,
}

/// A width or precision of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Size {
    None,
    Of(usize),
    /// `*`: it is an argument itself.
    Argument,
}

/// What an argument is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A string of UTF-16 units.
    Wide,
    /// A string of bytes.
    Narrow,
    Character,
    Signed,
    Unsigned,
    /// In lower or upper case.
    Hexadecimal(bool),
    Pointer,
    /// As above, of 64 bits.
    SignedLong,
    UnsignedLong,
    HexadecimalLong(bool),
}

impl Argument {
    /// The last argument that it takes: sizes that are arguments come before the value.
    fn last(&self) -> usize {
        let sizes = [self.width, self.precision];
        self.place + sizes.iter().filter(|size| **size == Size::Argument).count()
    }
}

/// Takes a format apart. What is no format is text.
fn pieces(format: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = format.chars().peekable();
    while let Some(next) = rest.next() {
        if next != '%' {
            pieces.push(Piece::Text(next));
            continue;
        }
        match rest.next() {
            Some('0') => {
                pieces.push(Piece::End);
                return pieces;
            }
            Some('n') => pieces.push(Piece::Text('\n')),
            Some('r') => pieces.push(Piece::Text('\r')),
            Some('t') => pieces.push(Piece::Text('\t')),
            Some('b') => pieces.push(Piece::Text(' ')),
            Some(digit @ '1'..='9') => {
                let mut place = digit.to_digit(10).unwrap_or_default();
                if let Some(second) = rest.peek().and_then(|next| next.to_digit(10)) {
                    place = place * 10 + second;
                    rest.next();
                }
                let mut spec = String::new();
                if rest.peek() == Some(&'!') {
                    rest.next();
                    spec.extend(rest.by_ref().take_while(|next| *next != '!'));
                }
                let place = usize::try_from(place).unwrap_or(MOST);
                pieces.push(Piece::Argument(argument(place, &spec)));
            }
            // `%%`, `%!`, `%.` and `% ` are the second character.
            Some(other) => pieces.push(Piece::Text(other)),
            None => pieces.push(Piece::Text('%')),
        }
    }
    pieces
}

fn size(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Size {
    if rest.next_if_eq(&'*').is_some() {
        return Size::Argument;
    }
    let mut digits = None;
    while let Some(digit) = rest.peek().and_then(|next| next.to_digit(10)) {
        let before: usize = digits.unwrap_or_default();
        let digit = usize::try_from(digit).unwrap_or_default();
        digits = Some(before.saturating_mul(10).saturating_add(digit));
        rest.next();
    }
    digits.map_or(Size::None, Size::Of)
}

/// Reads what stands between the exclamation marks: a format of printf without its percent sign. None is a string.
fn argument(place: usize, spec: &str) -> Argument {
    let mut rest = spec.chars().peekable();
    let mut flags = String::new();
    while let Some(flag) = rest.next_if(|next| "-+ #0".contains(*next)) {
        flags.push(flag);
    }
    let width = size(&mut rest);
    let precision = match rest.next_if_eq(&'.') {
        Some(_) => match size(&mut rest) {
            Size::None => Size::Of(0),
            given => given,
        },
        None => Size::None,
    };
    let kind = match rest.collect::<String>().as_str() {
        "hs" | "S" | "hS" => Kind::Narrow,
        "c" | "C" | "lc" | "hc" => Kind::Character,
        "d" | "i" | "ld" | "li" | "hd" | "hi" => Kind::Signed,
        "u" | "lu" | "hu" => Kind::Unsigned,
        "x" | "lx" | "hx" => Kind::Hexadecimal(false),
        "X" | "lX" | "hX" => Kind::Hexadecimal(true),
        "I64d" | "I64i" | "lld" | "lli" | "Id" | "Ii" => Kind::SignedLong,
        "I64u" | "llu" | "Iu" => Kind::UnsignedLong,
        "I64x" | "llx" | "Ix" => Kind::HexadecimalLong(false),
        "I64X" | "llX" | "IX" => Kind::HexadecimalLong(true),
        "p" => Kind::Pointer,
        // `s`, `ls` and `ws`; and what nobody knows, which FormatMessage takes for a string too.
        _ => Kind::Wide,
    };
    Argument {
        place,
        flags,
        width,
        precision,
        kind,
    }
}

/// How many arguments a format asks for.
pub(super) fn count(format: &str) -> usize {
    let last = |piece: &Piece| match piece {
        Piece::Argument(argument) => argument.last(),
        _ => 0,
    };
    pieces(format).iter().map(last).max().unwrap_or_default().min(MOST)
}

/// Writes a format with its arguments. `text` reads the string that an argument points to; those that are too few count as 0.
pub(super) fn render(format: &str, arguments: &[u64], text: impl Fn(Kind, u64) -> String) -> String {
    let value = |place: usize| arguments.get(place.wrapping_sub(1)).copied().unwrap_or_default();
    let mut written = String::new();
    for piece in pieces(format) {
        match piece {
            Piece::Text(character) => written.push(character),
            Piece::End => break,
            Piece::Argument(argument) => {
                let mut place = argument.place;
                let mut given = |size| match size {
                    Size::None => None,
                    Size::Of(size) => Some(size),
                    Size::Argument => {
                        place += 1;
                        usize::try_from(low(value(place - 1))).ok()
                    }
                };
                let (width, precision) = (given(argument.width), given(argument.precision));
                written.push_str(&one(&argument, value(argument.last()), width, precision, &text));
            }
        }
    }
    written
}

/// The lower half of a place: the upper half of one that holds 32 bits may be anything.
fn low(value: u64) -> u32 {
    u32::try_from(value & 0xFFFF_FFFF).unwrap_or_default()
}

/// No line of a log is padded further.
const WIDEST: usize = 256;

fn one(
    argument: &Argument,
    value: u64,
    width: Option<usize>,
    precision: Option<usize>,
    text: impl Fn(Kind, u64) -> String,
) -> String {
    let mut number = true;
    let mut written = match argument.kind {
        kind @ (Kind::Wide | Kind::Narrow) => {
            number = false;
            text(kind, value)
        }
        Kind::Character => {
            number = false;
            char::from_u32(low(value) & 0xFFFF)
                .unwrap_or(char::REPLACEMENT_CHARACTER)
                .into()
        }
        Kind::Signed => low(value).cast_signed().to_string(),
        Kind::Unsigned => low(value).to_string(),
        Kind::Hexadecimal(false) => format!("{:x}", low(value)),
        Kind::Hexadecimal(true) => format!("{:X}", low(value)),
        Kind::Pointer => format!("{value:016X}"),
        Kind::SignedLong => value.cast_signed().to_string(),
        Kind::UnsignedLong => value.to_string(),
        Kind::HexadecimalLong(false) => format!("{value:x}"),
        Kind::HexadecimalLong(true) => format!("{value:X}"),
    };
    let flag = |flag| argument.flags.contains(flag);
    match precision {
        Some(most) if !number => written = written.chars().take(most).collect(),
        // The least digits of a number.
        Some(least) => pad_zeros(&mut written, least),
        None => {}
    }
    if flag('#') && matches!(argument.kind, Kind::Hexadecimal(_) | Kind::HexadecimalLong(_)) && value != 0 {
        written.insert_str(0, "0x");
    }
    let width = width.unwrap_or_default().min(WIDEST);
    if flag('-') {
        let missing = width.saturating_sub(written.chars().count());
        written.extend(std::iter::repeat_n(' ', missing));
    } else if flag('0') && number {
        pad_zeros(&mut written, width);
    } else {
        let missing = width.saturating_sub(written.chars().count());
        written.insert_str(0, &" ".repeat(missing));
    }
    written
}

/// Puts zeros before the digits, after a sign.
fn pad_zeros(number: &mut String, least: usize) {
    let sign = usize::from(number.starts_with('-'));
    let missing = least.min(WIDEST).saturating_sub(number.len());
    number.insert_str(sign, &"0".repeat(missing));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain(kind: Kind, value: u64) -> String {
        format!("{kind:?} {value}")
    }

    #[test]
    fn a_format_says_how_many_arguments_it_takes() {
        for (format, arguments) in [
            ("", 0),
            ("100%% of %!n%.", 0),
            ("%1", 1),
            ("%2!u! before %1", 2),
            ("%12!x!", 12),
            ("%1!*.*s!", 3),
            ("%0 %5", 0),
            ("%1!unclosed", 1),
            ("%99", 99),
        ] {
            assert_eq!(count(format), arguments, "{format}");
        }
    }

    #[test]
    fn arguments_are_written_as_their_formats_say() {
        let write = |format: &str, arguments: &[u64]| render(format, arguments, plain);
        let minus_two = u64::from((-2_i32).cast_unsigned());
        assert_eq!(write("%2!d! of %1!u!%%", &[7, minus_two]), "-2 of 7%");
        assert_eq!(
            write("%1!u!", &[0xDEAD_0000_0005]),
            "5",
            "the upper half of 32 bits is anybody's"
        );
        assert_eq!(
            write("%1!08lx! %1!#X! %1!-6u!|%1!6u!|", &[255]),
            "000000ff 0xFF 255   |   255|"
        );
        assert_eq!(write("%1!.4u! %2!05d!", &[7, minus_two]), "0007 -0002");
        assert_eq!(
            write("%1!I64u! %1!I64d! %1!I64x!", &[u64::MAX]),
            format!("{} -1 ffffffffffffffff", u64::MAX)
        );
        assert_eq!(write("%1 %2!S!%n%3!c!%0 no more", &[1, 2, 65]), "Wide 1 Narrow 2\nA");
        assert_eq!(write("%1!*.*s!|", &[6, 4, 12]), "  Wide|");
        assert_eq!(write("%3!u!", &[1]), "0", "what is not there is 0");
        assert_eq!(write("%", &[]), "%");
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: if cfg!(miri) { 3 } else { 256 },
            ..ProptestConfig::default()
        })]

        #[test]
        fn any_format_can_be_written(format in "[%0-9!*.#a-zA-Z ]{0,40}", arguments in proptest::collection::vec(any::<u64>(), 0..4)) {
            prop_assert!(count(&format) <= MOST);
            let written = render(&format, &arguments, |_, _| String::new());
            prop_assert!(written.chars().count() <= format.len() * WIDEST);
        }
    }
}
