//! Exit codes, the same for every program; `docs/exit-codes.md` is the table.

/// What was asked for is done.
pub const DONE: u8 = 0;
/// It could not be done: something of this machine, a service or the network is missing or broke.
pub const FAILED: u8 = 1;
/// `check` did its work and found something, as linters say it.
pub const FINDINGS: u8 = 1;
/// It cannot be done as it is asked for: the command line, the job or the data is wrong, and trying again is of no use.
pub const REFUSED: u8 = 2;
/// Stopped on request, and what is done so far is kept: the same command with `--resume` goes on (`EX_TEMPFAIL`).
pub const STOPPED: u8 = 75;
