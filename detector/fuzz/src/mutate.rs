//! Programs made of programs, by a seed: what is wrong with one can be made again.

/// Longest program that is made, in bytes.
const MAX_BYTES: usize = 24 << 10;
/// What is put between the rest: pieces that parsers, jumps and strings are sensitive to.
const PIECES: &[&str] = &[
    "\n",
    "    ",
    "\t",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ":",
    ",",
    "\\\n",
    "'",
    "\"",
    "'''",
    "f'{",
    "}'",
    "b'",
    "\u{feff}",
    "\u{0}",
    "é",
    "\u{1f600}",
    "lambda: ",
    "yield ",
    "await ",
    "async ",
    "return ",
    "*",
    "**",
    ":=",
    " if ",
    " else ",
    " for x in ",
    "global x\n",
    "nonlocal x\n",
    "try:\n",
    "finally:\n",
    "except* E:\n",
    "match x:\n",
    "case _:\n",
    "with x:\n",
    "while x:\n",
    "class A(A):\n",
    "def f(x=f):\n",
    "0x",
    "1e999",
    "9999999999999999999",
    "del x\n",
    "import x.y as x\n",
    "from . import *\n",
    "-1",
    " % ",
    ".format(",
    ".translate(",
    "@x\n",
    "x += x\n",
    "x = x.x\n",
    "x[x] = x\n",
    "assert x, x\n",
    "raise\n",
];

/// A sequence of numbers that looks random (`SplitMix64`; Steele et al., OOPSLA 2014).
#[derive(Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `bound`; 0 where there is none.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    /// As many bytes.
    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }
}

/// A program made of some of these by a few changes.
pub(crate) fn mutated(programs: &[String], random: &mut Random) -> String {
    let Some(first) = programs.get(random.below(programs.len())) else { return String::new() };
    let mut lines: Vec<String> = first.lines().map(str::to_owned).collect();
    for _ in 0..=random.below(6) {
        let at = random.below(lines.len());
        match random.below(8) {
            0 if !lines.is_empty() => drop(lines.remove(at)),
            1 if !lines.is_empty() => {
                let line = lines[at].clone();
                lines.splice(at..at, std::iter::repeat_n(line, 1 + random.below(40)));
            }
            2 if !lines.is_empty() => {
                let other = random.below(lines.len());
                lines.swap(at, other);
            }
            // A part of another program.
            3 => {
                let other: Vec<&str> = programs[random.below(programs.len())].lines().collect();
                let from = random.below(other.len());
                let to = (from + 1 + random.below(12)).min(other.len());
                lines.splice(at..at, other[from..to].iter().map(|line| (*line).to_owned()));
            }
            4 if !lines.is_empty() => {
                lines[at] = format!("{}{}", "    ".repeat(random.below(4)), lines[at].trim_start());
            }
            // One name for another.
            5 if !lines.is_empty() => {
                let from = random.below(lines.len());
                let words = |line: &str| -> Vec<String> {
                    let split = line.split(|char: char| !char.is_alphanumeric() && char != '_');
                    split.filter(|word| !word.is_empty()).map(str::to_owned).collect()
                };
                let (own, others) = (words(&lines[at]), words(&lines[from]));
                if let (Some(old), Some(new)) =
                    (own.get(random.below(own.len())), others.get(random.below(others.len())))
                {
                    lines[at] = lines[at].replacen(old, new, 1);
                }
            }
            _ if !lines.is_empty() => {
                let line = &mut lines[at];
                let mut byte = random.below(line.len() + 1);
                while !line.is_char_boundary(byte) {
                    byte -= 1;
                }
                line.insert_str(byte, PIECES[random.below(PIECES.len())]);
            }
            _ => lines.push(PIECES[random.below(PIECES.len())].to_owned()),
        }
    }
    let mut code = lines.join("\n");
    let mut end = code.len().min(MAX_BYTES);
    while !code.is_char_boundary(end) {
        end -= 1;
    }
    code.truncate(end);
    code
}
