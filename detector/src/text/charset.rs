//! Sets of characters: exact for ASCII; beyond it one bit for numbers and white space, which are no letters in any
//! language, and one for all the others.

/// A set of characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CharSet {
    ascii: u128,
    other: u8,
}

impl CharSet {
    /// No character.
    pub const NONE: Self = Self { ascii: 0, other: 0 };
    /// Every character.
    pub const ALL: Self = Self { ascii: u128::MAX, other: 3 };
    /// Numbers and white space beyond ASCII.
    pub const OTHER_NUMBERS: Self = Self { ascii: 0, other: 1 };
    /// All but these beyond ASCII.
    pub const OTHER_LETTERS: Self = Self { ascii: 0, other: 2 };
    /// Every character beyond ASCII.
    pub const OTHER: Self = Self { ascii: 0, other: 3 };

    /// ASCII characters.
    pub(super) const fn ascii(bytes: &[u8]) -> Self {
        let (mut ascii, mut at) = (0, 0);
        while at < bytes.len() {
            ascii |= 1 << bytes[at];
            at += 1;
        }
        Self { ascii, other: 0 }
    }

    /// The characters of a text.
    pub fn of(text: &str) -> Self {
        text.chars().fold(Self::NONE, Self::with)
    }

    /// An ASCII range, both ends included.
    pub fn range(from: char, to: char) -> Self {
        (from..=to).fold(Self::NONE, Self::with)
    }

    /// With one more character.
    #[must_use]
    pub fn with(mut self, char: char) -> Self {
        if char.is_ascii() {
            self.ascii |= 1 << (char as u32);
        } else {
            self.other |= if char.is_numeric() || char.is_whitespace() { 1 } else { 2 };
        }
        self
    }

    /// Whether a character is in the set.
    #[inline]
    pub fn has(self, char: char) -> bool {
        match u32::from(char) {
            code @ 0..128 => self.ascii >> code & 1 == 1,
            _ => !Self::NONE.with(char).intersection(self).is_empty(),
        }
    }

    /// Characters of either set.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self { ascii: self.ascii | other.ascii, other: self.other | other.other }
    }

    /// Characters of both sets.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self { ascii: self.ascii & other.ascii, other: self.other & other.other }
    }

    /// Characters of the first set only; those beyond ASCII go only where `other` has them all.
    #[must_use]
    pub fn difference(self, other: Self) -> Self {
        Self { ascii: self.ascii & !other.ascii, other: self.other & !other.other }
    }

    /// Whether all characters are in the other set.
    pub fn within(self, other: Self) -> bool {
        self.difference(other).is_empty()
    }

    /// Whether there is no character.
    pub fn is_empty(self) -> bool {
        self.ascii == 0 && self.other == 0
    }

    /// The characters after `str.lower` or `str.upper`.
    #[must_use]
    pub fn map_ascii(self, map: impl Fn(char) -> char) -> Self {
        let mut mapped = Self { ascii: 0, other: self.other };
        for code in 0..128u8 {
            if self.ascii >> code & 1 == 1 {
                mapped = mapped.with(map(char::from(code)));
            }
        }
        mapped
    }

    /// With both cases of every letter.
    #[must_use]
    pub fn any_case(self) -> Self {
        self.map_ascii(|char| char.to_ascii_lowercase()).union(self.map_ascii(|char| char.to_ascii_uppercase()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_beyond_ascii_are_kept_together() {
        let set = CharSet::of("aé'");
        assert!(CharSet::of("ü").within(set));
        assert!(!set.difference(CharSet::of("a'")).is_empty());
        assert_eq!(CharSet::of("Ab").any_case(), CharSet::of("AaBb"));
    }
}
