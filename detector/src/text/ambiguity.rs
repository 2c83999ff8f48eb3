//! Ambiguity of regular expressions, decided on the automaton of the pattern.
//!
//! A backtracking matcher tries every path through the automaton before it says no. With two paths from a state to itself
//! over one text their number doubles with each repetition (exponential); with two loops that read the same text one
//! after the other, and that a text can share in any way, it grows with a power of its length (Weideman et al., "Analyzing
//! Matching Time Behavior of Backtracking Regular Expression Matchers by Using Ambiguity of NFA", CIAA 2016). Bounded
//! repetitions are finite and count as a few copies. Loops over few characters (`\s+$`, `\d+`) are not reported where they are
//! only polynomial: the texts that make them slow are rare and short. Nor is what is quadratic only because a search starts anew at
//! each character (`\[(.*?)\]`): most patterns of correct programs are.

use std::cell::RefCell;
use std::collections::BTreeMap;

use regex_syntax::ParserBuilder;
use regex_syntax::ast::Ast;
use regex_syntax::hir::{Hir, HirKind, Look};
use rustc_hash::{FxHashMap as HashMap, FxHashSet as HashSet};

use super::pattern::{ascii_set, python_pattern};
use super::{CharSet, Matching, Pattern};

/// States of an automaton, and steps of one decision, at most. Beyond that a pattern counts as harmless.
const MAX_STATES: usize = 300;
const MAX_STEPS: usize = 400_000;
/// Copies of what is repeated a bounded number of times.
const MAX_COPIES: u32 = 2;
/// From so many ASCII characters on a loop reads nearly everything.
const WIDE: usize = 90;

/// How the time of a match grows with the text in the worst case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ambiguity {
    /// With a power of its length.
    Polynomial,
    /// It doubles with each repetition.
    Exponential,
}

/// Patterns that a thread remembers, so that each is looked at once; at most that many.
const MAX_REMEMBERED: usize = 1024;

thread_local! {
    static REMEMBERED: RefCell<HashMap<(String, Matching), Option<Ambiguity>>> = RefCell::default();
}

/// The ambiguity of a pattern that makes its use slow; none where there is none, or where the pattern is beyond us.
pub fn ambiguity(pattern: &str, matching: Matching) -> Option<Ambiguity> {
    let key = (pattern.to_owned(), matching);
    if let Some(known) = REMEMBERED.with_borrow(|all| all.get(&key).copied()) {
        return known;
    }
    let found = decide(pattern, matching);
    REMEMBERED.with_borrow_mut(|all| {
        if all.len() >= MAX_REMEMBERED {
            all.clear();
        }
        all.insert(key, found);
    });
    found
}

fn decide(pattern: &str, matching: Matching) -> Option<Ambiguity> {
    let pattern = kept_apart(&python_pattern(pattern));
    let tree = ParserBuilder::new().nest_limit(50).build().parse(&pattern).ok()?;
    let mut automaton = Automaton::default();
    let accept = automaton.push(State::Accept)?;
    let end = if matching == Matching::Full { automaton.push(State::End(accept))? } else { accept };
    automaton.build(&tree, end)?;
    let graph = automaton.graph()?;
    if graph.is_exponential() {
        return Some(Ambiguity::Exponential);
    }
    graph.is_polynomial().then_some(Ambiguity::Polynomial)
}

/// A pattern in which alternatives of one character that share some stay apart: `(a|a)*`. The parser makes one class of
/// them, which has one way where Python tries two.
fn kept_apart(pattern: &str) -> String {
    let mut kept = pattern.to_owned();
    if !pattern.contains('|') {
        return kept;
    }
    let Ok(tree) = regex_syntax::ast::parse::ParserBuilder::new().nest_limit(50).build().parse(pattern) else {
        return kept;
    };
    let mut spans = vec![];
    let mut work = vec![&tree];
    while let Some(ast) = work.pop() {
        match ast {
            Ast::Group(group) => work.push(&group.ast),
            Ast::Repetition(repetition) => work.push(&repetition.ast),
            Ast::Concat(concat) => work.extend(&concat.asts),
            Ast::Alternation(alternation) => {
                let sets = alternation.asts.iter().map(|one| character(one, pattern));
                match sets.collect::<Option<Vec<CharSet>>>() {
                    Some(sets) if overlap(&sets) => spans.extend(alternation.asts.iter().map(|one| *one.span())),
                    Some(_) => {}
                    None => work.extend(&alternation.asts),
                }
            }
            _ => {}
        }
    }
    spans.sort_unstable_by_key(|span| std::cmp::Reverse(span.start.offset));
    for span in spans {
        kept.insert(span.end.offset, ')');
        kept.insert(span.start.offset, '(');
    }
    kept
}

/// The characters that a part of a pattern reads, where it reads one.
fn character(ast: &Ast, pattern: &str) -> Option<CharSet> {
    if !matches!(ast, Ast::Literal(_) | Ast::Dot(_) | Ast::ClassPerl(_) | Ast::ClassBracketed(_) | Ast::ClassUnicode(_))
    {
        return None;
    }
    let span = ast.span();
    Some(Pattern::parse(pattern.get(span.start.offset..span.end.offset)?)?.alphabet().difference(CharSet::OTHER))
}

fn overlap(sets: &[CharSet]) -> bool {
    sets.iter().enumerate().any(|(i, set)| sets[..i].iter().any(|other| !set.intersection(*other).is_empty()))
}

#[derive(Clone, Debug)]
enum State {
    /// Reads one character.
    Read(CharSet, usize),
    /// Goes on in several ways.
    Split(Vec<usize>),
    /// Goes on where the text ends.
    End(usize),
    Accept,
}

/// Thompson's construction, from the end.
#[derive(Debug, Default)]
struct Automaton {
    states: Vec<State>,
}

/// What is read next, by state and whether in several ways; whether it accepts; whether it must end.
type Reach = (Vec<(usize, bool)>, bool, bool);

impl Automaton {
    fn push(&mut self, state: State) -> Option<usize> {
        self.states.push(state);
        (self.states.len() <= MAX_STATES).then(|| self.states.len() - 1)
    }

    fn build(&mut self, tree: &Hir, next: usize) -> Option<usize> {
        match tree.kind() {
            HirKind::Look(Look::End | Look::EndLF | Look::EndCRLF) => self.push(State::End(next)),
            HirKind::Empty | HirKind::Look(_) => Some(next),
            HirKind::Literal(literal) => {
                let text = String::from_utf8_lossy(&literal.0).into_owned();
                text.chars().rev().try_fold(next, |next, char| self.push(State::Read(CharSet::NONE.with(char), next)))
            }
            // Beyond ASCII sets are not exact: what only overlaps there is no ambiguity.
            HirKind::Class(class) => self.push(State::Read(ascii_set(class), next)),
            HirKind::Capture(capture) => self.build(&capture.sub, next),
            HirKind::Concat(parts) => parts.iter().rev().try_fold(next, |next, part| self.build(part, next)),
            HirKind::Alternation(parts) => {
                let ways = parts.iter().map(|part| self.build(part, next)).collect::<Option<_>>()?;
                self.push(State::Split(ways))
            }
            HirKind::Repetition(repetition) => {
                let (mut at, mut copies) = (next, repetition.min);
                match repetition.max {
                    None => {
                        let choice = self.push(State::Split(vec![]))?;
                        let body = self.build(&repetition.sub, choice)?;
                        self.states[choice] = State::Split(vec![body, next]);
                        at = if repetition.min == 0 { choice } else { body };
                        copies = repetition.min.saturating_sub(1);
                    }
                    Some(max) => {
                        for _ in 0..max.saturating_sub(repetition.min).min(MAX_COPIES) {
                            let body = self.build(&repetition.sub, at)?;
                            at = self.push(State::Split(vec![body, next]))?;
                        }
                    }
                }
                (0..copies.min(MAX_COPIES)).try_fold(at, |next, _| self.build(&repetition.sub, next))
            }
        }
    }

    /// The automaton without empty steps: from each reading state to the ones that can read next, once or in several ways.
    fn graph(&self) -> Option<Graph> {
        let mut steps = 0;
        let mut graph = Graph::default();
        let mut indices = HashMap::default();
        for (i, state) in self.states.iter().enumerate() {
            if let State::Read(set, _) = state {
                indices.insert(i, graph.sets.len());
                graph.sets.push(*set);
            }
        }
        let mut reach = |from: usize| -> Option<Reach> {
            let mut found: BTreeMap<usize, usize> = BTreeMap::new();
            let (mut accepts, mut ends) = (false, false);
            self.paths(from, &mut vec![], false, &mut steps, &mut |at, after_end| match self.states[at] {
                State::Accept if after_end => ends = true,
                State::Accept => accepts = true,
                _ if after_end => {}
                _ => *found.entry(indices[&at]).or_default() += 1,
            })?;
            Some((found.into_iter().map(|(state, ways)| (state, ways > 1)).collect(), accepts, ends))
        };
        for state in &self.states {
            if let State::Read(_, next) = state {
                let (next, accepts, ends) = reach(*next)?;
                graph.next.push(next);
                graph.accepts.push(accepts);
                graph.ends.push(ends);
            }
        }
        Some(graph)
    }

    /// Visits what each path of empty steps leads to that takes no step twice: a loop may be left and entered anew.
    fn paths(
        &self,
        at: usize,
        open: &mut Vec<(usize, usize)>,
        after_end: bool,
        steps: &mut usize,
        visit: &mut impl FnMut(usize, bool),
    ) -> Option<()> {
        *steps += 1;
        if *steps > MAX_STEPS {
            return None;
        }
        match &self.states[at] {
            State::Read(..) | State::Accept => visit(at, after_end),
            State::End(next) => self.paths(*next, open, true, steps, visit)?,
            State::Split(ways) => {
                for (i, way) in ways.iter().enumerate() {
                    if !open.contains(&(at, i)) {
                        open.push((at, i));
                        self.paths(*way, open, after_end, steps, visit)?;
                        open.pop();
                    }
                }
            }
        }
        Some(())
    }
}

/// Reading states, and what follows what.
#[derive(Debug, Default)]
struct Graph {
    sets: Vec<CharSet>,
    /// For each state the ones that may read next; the flag says that several paths lead there.
    next: Vec<Vec<(usize, bool)>>,
    /// Whether a match may end after a state, wherever the text goes on.
    accepts: Vec<bool>,
    /// Whether a match may end after a state where the text does.
    ends: Vec<bool>,
}

impl Graph {
    /// Whether some text leads from a state to itself on two paths, and what follows can fail.
    fn is_exponential(&self) -> bool {
        let mut steps = 0;
        let size = self.sets.len();
        // By pair of states, together or apart: the last state that came to it.
        let mut seen = vec![usize::MAX; 2 * size * size];
        (0..size).any(|state| !self.accepts[state] && self.has_two_loops(state, &mut seen, &mut steps))
    }

    fn has_two_loops(&self, state: usize, seen: &mut [usize], steps: &mut usize) -> bool {
        let size = self.sets.len();
        let place = |a: usize, b: usize, apart: bool| 2 * (a * size + b) + usize::from(apart);
        seen[place(state, state, false)] = state;
        let mut work = vec![(state, state, false)];
        while let Some((a, b, apart)) = work.pop() {
            if self.sets[a].intersection(self.sets[b]).is_empty() {
                continue;
            }
            for (c, c_often) in &self.next[a] {
                for (d, _) in &self.next[b] {
                    *steps += 1;
                    if *steps > MAX_STEPS {
                        return false;
                    }
                    let apart = apart || c != d || a == b && *c_often;
                    if apart && *c == state && *d == state {
                        return true;
                    }
                    if std::mem::replace(&mut seen[place(*c, *d, apart)], state) != state {
                        work.push((*c, *d, apart));
                    }
                }
            }
        }
        false
    }

    fn loops_over(&self, state: usize) -> bool {
        self.next[state].iter().any(|(next, _)| *next == state)
    }

    /// Loops over nearly everything after which a match can still fail, with the characters that keep a text in them.
    fn wide_loops(&self) -> impl Iterator<Item = (usize, CharSet)> {
        (0..self.sets.len()).filter_map(|state| {
            let set = self.sets[state];
            let wide = (0..128u8).filter(|code| CharSet::NONE.with(char::from(*code)).within(set)).count() >= WIDE;
            let without_line_break = CharSet::ALL.difference(CharSet::OTHER).difference(CharSet::of("\n"));
            let always = self.accepts[state] || self.ends[state] && without_line_break.within(set);
            let exits = self.next[state].iter().filter(|(next, _)| *next != state);
            let exits = exits.fold(CharSet::NONE, |all, (next, _)| all.union(self.sets[*next]));
            (wide && !always && self.loops_over(state)).then(|| (state, set.difference(exits)))
        })
    }

    fn is_polynomial(&self) -> bool {
        self.wide_loops().any(|(last, chars)| {
            (0..self.sets.len()).any(|first| {
                let set = self.sets[first];
                let wide = (0..128u8).filter(|code| CharSet::NONE.with(char::from(*code)).within(set)).count();
                first != last
                    && wide >= WIDE
                    && self.loops_over(first)
                    && self.leads(&[first], last, chars.intersection(set))
            })
        })
    }

    /// Whether a text of these characters leads from one of some states to another.
    fn leads(&self, from: &[usize], to: usize, chars: CharSet) -> bool {
        let mut seen: HashSet<usize> = from.iter().copied().collect();
        let mut work: Vec<usize> = from.to_vec();
        while let Some(state) = work.pop() {
            if self.sets[state].intersection(chars).is_empty() {
                continue;
            }
            for (next, _) in &self.next[state] {
                if *next == to {
                    return true;
                }
                if seen.insert(*next) {
                    work.push(*next);
                }
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_ways_around_a_loop_are_exponential_where_the_rest_can_fail() {
        for pattern in [
            r"^(a+)+$",
            r"^(\w+\s?)*$",
            r"(ab|a|b)*c",
            r"^([\w.-]*)*\/?$",
            r"^(([a-z])+.)+[A-Z]([a-z])+$",
            r"(.*)*=",
            r"^(a|aa)+$",
            r"^(?:[a-z]+\d*)+!$",
            r"(a|a)*b",
            r"^(x|x)+$",
            r"^(?:\w|\d)*!",
            r"^(.|\s)*end",
        ] {
            assert_eq!(ambiguity(pattern, Matching::Start), Some(Ambiguity::Exponential), "{pattern}");
        }
    }

    #[test]
    fn loops_that_share_a_text_are_polynomial() {
        for (pattern, matching) in [
            (r"(.+?)\((.*)\)", Matching::Start),
            (r"^.*foo.*bar", Matching::Start),
            (r"<(.*?) (.*?)>", Matching::Anywhere),
        ] {
            assert_eq!(ambiguity(pattern, matching), Some(Ambiguity::Polynomial), "{pattern}");
        }
    }

    #[test]
    fn what_has_one_way_is_neither() {
        for pattern in [
            r"^[a-z0-9._-]+@[a-z0-9-]+\.[a-z]{2,6}$",
            r"^(https?:\/\/)?([\da-z.-]+)\.([a-z.]{2,6})([\/\w .-]{0,300})\/?$",
            r"<([^>]{1,100})>",
            r"^(?:[a-z]+,)*[a-z]+$",
            r"^\d{4}-\d\d-\d\d$",
            r"\s+$",
            r"(a*)*",
            r"^[^@]+@(.+)$",
            r"^(.*?)=(.*)$",
            r"\b\w+\b",
            r"<(.*?)>",
            r"^(a|b)*c",
            r"^(\w|-)*$",
        ] {
            assert_eq!(ambiguity(pattern, Matching::Anywhere), None, "{pattern}");
        }
        assert_eq!(ambiguity(r"([^()]+?)\((.*)\)", Matching::Start), None);
    }

    #[test]
    fn patterns_beyond_the_bounds_end_as_harmless() {
        let wide = format!("({})*$", "(a|b?)".repeat(60));
        let _ = ambiguity(&wide, Matching::Start);
        assert_eq!(ambiguity(&"a".repeat(5000), Matching::Start), None);
        assert_eq!(ambiguity(r"(?=a)b", Matching::Start), None);
    }
}
