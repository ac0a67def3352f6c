//! Names: of the positions of an axis, and of the keys of a mapping.
//!
//! Owns names as text, lists of them that inputs share, their union and intersection, and where each
//! input's positions lie on the joined axis. Decides which names the result has and in which order.
//! Knows nothing of what lies at a name.

mod axis;
mod keys;
mod lists;
mod numbering;
mod overlap;
mod sorted;
mod text;
mod unlike;

pub(super) use axis::{JoinedAxis, shared_name, union};
pub(super) use keys::{intersect_keys, union_keys};
pub(super) use lists::NameLists;
pub(super) use overlap::Costly;
pub(super) use sorted::{is_sorted, places as places_in_sorted};
pub(super) use text::{category_text, column_text, index_text};
pub(super) use unlike::{agree, reason};
