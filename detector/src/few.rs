//! Small sorted sets that are copied far more often than they are changed: copies share one until one of them changes.

use std::ops::Deref;
use std::rc::Rc;

use smallvec::{SmallVec, smallvec};

/// A sorted set without duplicates. The empty one takes no memory of its own, one of one item a single piece.
#[derive(Debug)]
pub struct Few<T>(Option<Rc<SmallVec<[T; 1]>>>);

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Clone for Few<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Deref for Few<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.0.as_deref().map_or(&[], SmallVec::as_slice)
    }
}

impl<T: PartialEq> PartialEq for Few<T> {
    fn eq(&self, other: &Self) -> bool {
        self.is_same(other) || **self == **other
    }
}

impl<T: Eq> Eq for Few<T> {}

impl<T> Few<T> {
    /// A set of one.
    pub fn one(item: T) -> Self {
        Self(Some(Rc::new(smallvec![item])))
    }

    /// Whether both are copies of one set; they may be equal where not.
    pub fn is_same(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(a), Some(b)) => Rc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        }
    }

    /// Makes it the empty set.
    pub fn clear(&mut self) {
        self.0 = None;
    }
}

impl<T: Ord + Clone> Few<T> {
    /// Whether it has an item.
    pub fn contains(&self, item: &T) -> bool {
        self.binary_search(item).is_ok()
    }

    /// Whether it has all items of another set. Sets that are compared are mostly alike, and short beside each other: both
    /// are walked once.
    pub fn has_all(&self, others: &Self) -> bool {
        if self.is_same(others) {
            return true;
        }
        if let [other] = &**others {
            return self.contains(other);
        }
        let mut own = self.iter();
        others.len() <= self.len()
            && others.iter().all(|other| own.find(|one| *one >= other).is_some_and(|one| one == other))
    }

    /// Adds an item; says whether it is new.
    pub fn insert(&mut self, item: T) -> bool {
        match self.binary_search(&item) {
            Ok(_) => false,
            Err(at) => {
                Rc::make_mut(self.0.get_or_insert_default()).insert(at, item);
                true
            }
        }
    }

    /// Adds all items of another set; says whether any is new.
    pub fn add_all(&mut self, others: &Self) -> bool {
        if self.has_all(others) {
            return false;
        }
        if self.is_empty() {
            self.0.clone_from(&others.0);
            return true;
        }
        if let [other] = &**others {
            return self.insert(other.clone());
        }
        let mut all = SmallVec::with_capacity(self.len() + others.len());
        let (mut own, mut more) = (self.iter().peekable(), others.iter().peekable());
        while let (Some(one), Some(other)) = (own.peek(), more.peek()) {
            let order = one.cmp(other);
            all.extend(if order.is_gt() { more.next() } else { own.next() }.cloned());
            if order.is_eq() {
                more.next();
            }
        }
        all.extend(own.chain(more).cloned());
        self.0 = Some(Rc::new(all));
        true
    }

    /// Takes an item out.
    pub fn remove(&mut self, item: &T) {
        if let (Ok(at), Some(items)) = (self.binary_search(item), &mut self.0) {
            Rc::make_mut(items).remove(at);
        }
    }

    /// Keeps the items of which `keep` is true.
    pub fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        if let Some(items) = &mut self.0
            && !items.iter().all(&keep)
        {
            Rc::make_mut(items).retain(|item| keep(item));
        }
    }
}

impl<T: Ord + Clone> Extend<T> for Few<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, items: I) {
        items.into_iter().for_each(|item| {
            self.insert(item);
        });
    }
}

impl<T: Ord + Clone> FromIterator<T> for Few<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut few = Self::default();
        few.extend(items);
        few
    }
}

impl<'a, T> IntoIterator for &'a Few<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_share_until_one_changes_and_equal_sets_are_equal() {
        let mut few: Few<u32> = [3, 1, 2, 1].into_iter().collect();
        let copy = few.clone();
        assert!(few.is_same(&copy) && !few.insert(2) && few.is_same(&copy));
        assert!(few.insert(0) && *few == [0, 1, 2, 3] && *copy == [1, 2, 3]);
        few.remove(&0);
        assert!(few == copy && !few.is_same(&copy));
        few.retain(|one| *one > 2);
        assert!(*few == [3] && few.contains(&3));
        few.clear();
        assert_eq!(few, Few::default());
    }

    #[test]
    fn a_union_is_sorted_without_duplicates_and_says_whether_it_grew() {
        let set = |items: &[u32]| items.iter().copied().collect::<Few<u32>>();
        let sets = [&[][..], &[1], &[2], &[1, 3], &[2, 3, 4], &[0, 1, 5, 9], &[0, 1, 3, 5, 9]];
        for (one, other) in sets.iter().flat_map(|one| sets.iter().map(move |other| (set(one), set(other)))) {
            let mut all = one.clone();
            let grew = all.add_all(&other);
            let mut expected: Vec<u32> = one.iter().chain(&other).copied().collect();
            expected.sort_unstable();
            expected.dedup();
            assert_eq!((&*all, grew), (&*expected, expected.len() > one.len()), "{one:?} {other:?}");
        }
    }

    #[test]
    fn a_set_has_all_of_its_parts_and_of_no_other() {
        let set = |items: &[u32]| items.iter().copied().collect::<Few<u32>>();
        let few = set(&[1, 3, 5, 7]);
        for part in [&[][..], &[1], &[7], &[1, 7], &[3, 5], &[1, 3, 5, 7]] {
            assert!(few.has_all(&set(part)), "{part:?}");
        }
        for other in [&[0][..], &[2], &[8], &[1, 4], &[1, 3, 5, 6], &[1, 3, 5, 7, 9]] {
            assert!(!few.has_all(&set(other)), "{other:?}");
        }
        assert!(set(&[]).has_all(&set(&[])) && !set(&[]).has_all(&few));
    }
}
