//! Route names: any sequence of 16-bit units, spelled back exactly, and never mistaken for another.

use atrion::engine::Name;
use proptest::prelude::*;

/// Units as hostile names have them: surrogates, paired and not, next to everything else.
fn units() -> impl Strategy<Value = Vec<u16>> {
    let unit = prop_oneof![
        2 => any::<u16>(),
        2 => 0_u16..0x80,
        2 => 0xd800_u16..0xdc00,
        2 => 0xdc00_u16..0xe000,
        1 => prop::sample::select(vec![0, 0xd7ff, 0xd800, 0xdbff, 0xdc00, 0xdfff, 0xe000, 0xfffd, 0xffff]),
    ];
    prop::collection::vec(unit, 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn a_name_spells_back_what_it_was_made_of(units in units()) {
        prop_assert_eq!(Name::from_utf16(&units).to_utf16(), units);
    }

    #[test]
    fn two_names_are_equal_only_if_their_units_are(a in units(), b in units()) {
        prop_assert_eq!(Name::from_utf16(&a) == Name::from_utf16(&b), a == b);
    }

    /// Near misses: one unit changed, dropped or doubled.
    #[test]
    fn a_name_is_not_its_neighbour(units in units(), at in any::<prop::sample::Index>(), to in any::<u16>(), how in 0..3) {
        prop_assume!(!units.is_empty());
        let at = at.index(units.len());
        let mut other = units.clone();
        match how {
            0 => other[at] = to,
            1 => { other.remove(at); }
            _ => other.insert(at, other[at]),
        }
        prop_assert_eq!(Name::from_utf16(&units) == Name::from_utf16(&other), units == other);
    }

    #[test]
    fn valid_text_is_kept_as_utf_8(text in "\\PC*") {
        let units: Vec<u16> = text.encode_utf16().collect();
        let name = Name::from_utf16(&units);
        prop_assert_eq!(&name, &Name::from(text.as_str()));
        prop_assert_eq!(name.len(), text.len());
        prop_assert_eq!(name.is_empty(), text.is_empty());
    }
}

#[test]
fn a_lone_surrogate_is_not_the_replacement_character() {
    let lone = Name::from_utf16(&[0xd800]);
    assert_ne!(lone, Name::from_utf16(&[0xfffd]));
    assert_ne!(lone, Name::from_utf16(&[0xdc00]));
    assert_ne!(Name::from_utf16(&[0xdc00, 0xd800]), Name::from_utf16(&[0xd800, 0xdc00]));
}

#[test]
fn a_megabyte_of_lone_surrogates_is_a_name_like_any_other() {
    let units = vec![0xdfff; 1 << 19];
    let name = Name::from_utf16(&units);
    assert_eq!(name.len(), 3 << 19);
    assert_eq!(name.to_utf16(), units);
}
