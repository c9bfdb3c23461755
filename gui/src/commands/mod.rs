//! The one list of what can be done: menus, shortcuts and the palette are made from it.
