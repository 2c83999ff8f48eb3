//! The zygotes of one worker: a plain one, and one that has imported numpy.
//!
//! numpy makes a zygote half as large again, and each test pays for that when its process is made and ended. Few programs use it: the
//! second zygote is started when one that names it comes. A program that gets at it otherwise imports it anew.

use crate::zygote::Zygote;

/// Both, as far as they live.
#[derive(Debug, Default)]
pub(crate) struct Zygotes {
    plain: Option<Zygote>,
    with_numpy: Option<Zygote>,
}

impl Zygotes {
    /// Around a plain one.
    pub(crate) fn around(plain: Option<Zygote>) -> Self {
        Self { plain, with_numpy: None }
    }

    /// Whether the plain one, which every lane with work has, lives.
    pub(crate) fn is_warm(&self) -> bool {
        self.plain.is_some()
    }

    /// Where the one lives that tests with or without numpy are forked from.
    pub(crate) fn slot(&mut self, numpy: bool) -> &mut Option<Zygote> {
        if numpy { &mut self.with_numpy } else { &mut self.plain }
    }

    /// Those that live.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Zygote> {
        self.plain.iter().chain(&self.with_numpy)
    }
}
