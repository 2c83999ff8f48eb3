//! Text that is not known to the letter: which characters it may have, and whose it is.

use super::charset::CharSet;

/// A set of languages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LanguageSet(u32);

impl LanguageSet {
    /// No language.
    pub const NONE: Self = Self(0);
    /// Every language.
    pub const ALL: Self = Self(u32::MAX);

    /// The n-th language.
    pub fn one(index: usize) -> Self {
        Self(1 << index)
    }

    /// Languages of both.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Languages of either.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Languages of the first set only.
    #[must_use]
    pub fn difference(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether it has the n-th language.
    pub fn has(self, index: usize) -> bool {
        self.0 >> index & 1 == 1
    }
}

/// A set of taint origins, as bits. The last bit stands for all that found no bit of their own, the one before it for all
/// of which nobody knows who chooses them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origins(pub u128);

impl Origins {
    /// No origin: an attacker has no say.
    pub const NONE: Self = Self(0);

    /// Values of which the program does not show who chooses them.
    pub const UNKNOWN: Self = Self(1 << 126);

    /// The n-th origin.
    pub fn one(index: usize) -> Self {
        Self(1 << if index >= 126 { 127 } else { index })
    }

    /// Those of which the program shows who chooses them.
    #[must_use]
    pub fn known(self) -> Self {
        Self(self.0 & !Self::UNKNOWN.0)
    }

    /// Whether these are among others.
    pub fn is_within(self, others: Self) -> bool {
        self.0 & !others.0 == 0
    }

    /// Origins of either.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Origins of both.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether there is none.
    pub fn is_none(self) -> bool {
        self.0 == 0
    }
}

/// Whether a text that begins so has a scheme, or none: `https:`, `/`, `#` (RFC 3986, 4.2).
pub fn leads(start: &str) -> bool {
    let scheme = start.split_once(':').map(|(scheme, _)| scheme.trim());
    let runs = |scheme: &str| ["javascript", "data", "vbscript"].iter().any(|own| scheme.eq_ignore_ascii_case(own));
    start.starts_with(['/', '#', '?']) || scheme.is_some_and(|scheme| !scheme.is_empty() && !runs(scheme))
}

/// Text that is not known to the letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hole {
    /// Characters that may occur.
    pub chars: CharSet,
    /// Characters of `chars` that only occur doubled (`'` in `replace("'", "''")`).
    pub doubled: CharSet,
    /// Attackers that have a say in it.
    pub origins: Origins,
    /// Languages in which it stands as one closed piece wherever code may stand.
    pub closed: LanguageSet,
    /// Whether it is the text of a number or truth value.
    pub number: bool,
    /// Whether what it begins with was compared with what the program wants there: the scheme of a URL.
    pub led: bool,
}

impl Hole {
    /// Any text, from these origins.
    pub fn any(origins: Origins) -> Self {
        Self {
            chars: CharSet::ALL,
            doubled: CharSet::NONE,
            origins,
            closed: LanguageSet::NONE,
            number: false,
            led: false,
        }
    }

    /// A number.
    pub fn number(origins: Origins) -> Self {
        Self {
            chars: const { CharSet::ascii(b"0123456789+-.einfaTrulsj()") },
            doubled: CharSet::NONE,
            origins,
            closed: LanguageSet::ALL,
            number: true,
            led: false,
        }
    }

    /// The same text, whose beginning was found to be one that the program wants.
    #[must_use]
    pub fn led(self) -> Self {
        Self { led: true, ..self }
    }

    /// Either text.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        let single = |hole: Self| hole.chars.difference(hole.doubled);
        let chars = self.chars.union(other.chars);
        Self {
            chars,
            doubled: chars.difference(single(self).union(single(other))),
            origins: self.origins.union(other.origins),
            closed: self.closed.intersection(other.closed),
            number: self.number && other.number,
            led: self.led && other.led,
        }
    }
}
