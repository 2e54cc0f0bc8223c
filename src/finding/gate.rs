//! What a call must show for a rule to have anything to say of it.

use crate::signaling::Traits;

/// Traits without which a rule finds nothing in a call, so that it need not look.
///
/// A gate follows from the conditions of its rule and adds none: where it is shut, the rule would
/// be silent. In a debug build the rules are asked all the same, and have to be.
#[derive(Clone, Copy, Debug)]
pub struct Gate {
    all: Traits,
    one_of: [Traits; 2],
}

impl Gate {
    /// Every call may have it.
    pub const OPEN: Self = Self { all: Traits::ANY, one_of: [Traits::ANY; 2] };

    /// No call has it: the rule looks at the capture as a whole.
    pub const CAPTURE: Self = Self { all: Traits::NEVER, ..Self::OPEN };

    /// Calls that have all of these.
    pub const fn all(traits: &[Traits]) -> Self {
        Self { all: union(traits), ..Self::OPEN }
    }

    /// Calls that have one of these.
    pub const fn one_of(traits: &[Traits]) -> Self {
        Self { one_of: [union(traits), Traits::ANY], ..Self::OPEN }
    }

    /// Of these calls, those that have one of these traits as well; may be said once.
    #[must_use]
    pub const fn and_one_of(self, traits: &[Traits]) -> Self {
        Self { one_of: [self.one_of[0], union(traits)], ..self }
    }

    /// A call with these traits may have what the rule looks for.
    #[inline]
    pub const fn lets(&self, traits: Traits) -> bool {
        let [first, second] = self.one_of;
        traits.has_all(self.all) && traits.has_any(first) && traits.has_any(second)
    }
}

const fn union(traits: &[Traits]) -> Traits {
    let mut union = Traits::ANY;
    let mut rest = traits;
    // Every call has `ANY`, so an alternative must not.
    if let [first, after @ ..] = rest {
        union = *first;
        rest = after;
    }
    while let [first, after @ ..] = rest {
        union = union.or(*first);
        rest = after;
    }
    union
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_lets_what_has_all_and_one_of_each() {
        let traits = |own: &[Traits]| own.iter().fold(Traits::ANY, |all, own| all.or(*own));
        assert!(Gate::OPEN.lets(Traits::ANY));
        let gate = Gate::all(&[Traits::LOST, Traits::BYE]);
        assert!(gate.lets(traits(&[Traits::LOST, Traits::BYE, Traits::RTP])));
        assert!(!gate.lets(traits(&[Traits::LOST])));
        let gate = Gate::one_of(&[Traits::LOST, Traits::BYE]).and_one_of(&[Traits::RTP]);
        assert!(gate.lets(traits(&[Traits::BYE, Traits::RTP])));
        assert!(!gate.lets(traits(&[Traits::BYE])) && !gate.lets(traits(&[Traits::RTP])));
    }
}
