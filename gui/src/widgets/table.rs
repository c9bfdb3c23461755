//! Tables: columns that are aligned, rows of one height of which only the visible ones are drawn, and the roles that
//! screen readers read tables by. Columns go where the table is too narrow for them.

use egui::Role;
use egui::accesskit::SortDirection;
use egui::{Align, Id, Layout, Rect, Response, RichText, ScrollArea, Sense, Ui, UiBuilder, Vec2};

use super::{page, text};
use crate::theme::icon::{self, Icon};
use crate::theme::{Size, Tokens};

/// Between a cell's text and the cell's edges.
const INSET: f32 = 8.0;

/// A column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    title: &'static str,
    least: f32,
    weight: f32,
    right: bool,
    from: f32,
    below: f32,
    sorts: bool,
}

impl Column {
    /// One of a width.
    #[must_use]
    pub const fn exact(title: &'static str, width: f32) -> Self {
        Self { title, least: width, weight: 0.0, right: false, from: 0.0, below: f32::INFINITY, sorts: false }
    }

    /// One that takes its part of what is left, and has at least a width.
    #[must_use]
    pub const fn wide(title: &'static str, least: f32) -> Self {
        Self { weight: 1.0, ..Self::exact(title, least) }
    }

    /// It takes so many parts of what is left, where others take one.
    #[must_use]
    pub const fn parts(self, weight: f32) -> Self {
        Self { weight, ..self }
    }

    /// Its content is at the right, as figures are.
    #[must_use]
    pub const fn right(self) -> Self {
        Self { right: true, ..self }
    }

    /// It is shown only where the table is at least as wide as this.
    #[must_use]
    pub const fn from(self, width: f32) -> Self {
        Self { from: width, ..self }
    }

    /// It is shown only where the table is narrower than this, instead of another one.
    #[must_use]
    pub const fn below(self, width: f32) -> Self {
        Self { below: width, ..self }
    }

    fn is_shown(&self, width: f32) -> bool {
        (self.from..self.below).contains(&width)
    }

    /// A click on its title sorts by it.
    #[must_use]
    pub const fn sorts(self) -> Self {
        Self { sorts: true, ..self }
    }
}

/// A table.
#[derive(Debug)]
pub struct Table<'a> {
    name: &'a str,
    columns: &'a [Column],
    row_height: f32,
    sorted: Option<(&'a [usize], bool)>,
    scrolls: bool,
    clicks: bool,
}

/// What was done to a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The column whose title was clicked.
    pub sort_by: Option<usize>,
    /// The row that was clicked.
    pub row: Option<usize>,
}

impl<'a> Table<'a> {
    /// A table; its name is what a screen reader says.
    #[must_use]
    pub fn new(name: &'a str, columns: &'a [Column]) -> Self {
        Self { name, columns, row_height: Size::ROW, sorted: None, scrolls: true, clicks: false }
    }

    /// The column that the rows are sorted by (several where one stands for another), and whether the greatest is first.
    #[must_use]
    pub fn sorted(self, columns: &'a [usize], descending: bool) -> Self {
        Self { sorted: Some((columns, descending)), ..self }
    }

    /// Rows are of this height.
    #[must_use]
    pub fn row_height(self, row_height: f32) -> Self {
        Self { row_height, ..self }
    }

    /// All rows are drawn, for few of them within something that scrolls.
    #[must_use]
    pub fn whole(self) -> Self {
        Self { scrolls: false, ..self }
    }

    /// Rows can be clicked, and chosen with the keyboard.
    #[must_use]
    pub fn clicks(self) -> Self {
        Self { clicks: true, ..self }
    }

    /// Draws it: `row` is called for each visible row and fills its cells in the order of the columns.
    pub fn show(self, ui: &mut Ui, tokens: &Tokens, rows: usize, mut row: impl FnMut(&mut Row<'_>)) -> Outcome {
        let mut outcome = Outcome::default();
        let room = ui.available_width();
        let spans = spans(self.columns, room);
        let width = spans.iter().flatten().map(|(left, width)| left + width).fold(room, f32::max);
        let builder =
            UiBuilder::new().id_salt(self.name).accessibility_role(Role::Table).accessibility_label(self.name);
        ui.scope_builder(builder, |ui| {
            ui.ctx().accesskit_node_builder(ui.unique_id(), |node| {
                node.set_row_count(rows + 1);
                node.set_column_count(spans.iter().flatten().count());
            });
            let mut body = |ui: &mut Ui| outcome = self.body(ui, tokens, &spans, width, rows, &mut row);
            if width > room {
                ScrollArea::horizontal().auto_shrink([false, true]).show(ui, body);
            } else {
                body(ui);
            }
        });
        outcome
    }

    fn body(
        &self,
        ui: &mut Ui,
        tokens: &Tokens,
        spans: &[Option<Span>],
        width: f32,
        rows: usize,
        row: &mut impl FnMut(&mut Row<'_>),
    ) -> Outcome {
        let id = ui.scope_id();
        ui.set_max_width(width);
        ui.spacing_mut().item_spacing.y = 0.0;
        let mut outcome = Outcome { sort_by: self.header(ui, tokens, spans, width), row: None };
        let mut draw = |ui: &mut Ui, index: usize| {
            if Row::draw(ui, tokens, self, &Grid { id, spans, width }, index, row) {
                outcome.row = Some(index);
            }
        };
        if self.scrolls {
            page::with_margin(ui, |ui, _| {
                ScrollArea::vertical().auto_shrink([false, true]).show_rows(ui, self.row_height, rows, |ui, range| {
                    range.for_each(|index| draw(ui, index));
                });
            });
        } else {
            (0..rows).for_each(|index| draw(ui, index));
        }
        outcome
    }

    fn header(&self, ui: &mut Ui, tokens: &Tokens, spans: &[Option<Span>], width: f32) -> Option<usize> {
        let (rect, line) = ui.allocate_exact_size(Vec2::new(width, Size::ROW), Sense::hover());
        ui.ctx().accesskit_node_builder(line.id, |node| node.set_role(Role::Row));
        ui.painter().hline(rect.x_range(), rect.bottom() - 0.5, (1.0, tokens.line));
        let mut clicked = None;
        for (index, (column, span)) in self.columns.iter().zip(spans).enumerate() {
            let Some(span) = span else { continue };
            let cell = cell_builder(rect, *span, column.right, line.id, Role::ColumnHeader).id_salt(("header", index));
            ui.scope_builder(cell, |ui| {
                let sorted = self.sorted.filter(|(by, _)| by.contains(&index));
                let id = ui.unique_id();
                ui.ctx().accesskit_node_builder(id, |node| {
                    node.set_label(column.title);
                    if let Some((_, descending)) = sorted {
                        let direction = if descending { SortDirection::Descending } else { SortDirection::Ascending };
                        node.set_sort_direction(direction);
                    }
                });
                if title(ui, tokens, column, sorted.map(|(_, descending)| descending)) {
                    clicked = Some(index);
                }
            });
        }
        clicked
    }
}

/// Draws the title of a column, and answers whether it was clicked.
fn title(ui: &mut Ui, tokens: &Tokens, column: &Column, descending: Option<bool>) -> bool {
    if !column.sorts {
        ui.label(text::small(tokens, column.title));
        return false;
    }
    let words = match descending {
        Some(true) => format!("{} {}", column.title, icon::text(Icon::ChevronDown)),
        Some(false) => format!("{} {}", column.title, icon::text(Icon::ChevronUp)),
        None => column.title.to_owned(),
    };
    let color = if descending.is_some() { tokens.text } else { tokens.muted };
    let label = egui::Label::new(RichText::new(words).size(Size::SMALL).color(color)).selectable(false);
    let response = ui.add(label.sense(Sense::click())).on_hover_cursor(egui::CursorIcon::PointingHand);
    let name = format!("Sort by {}", column.title.to_lowercase());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, &name));
    response.clicked()
}

/// Where a column is: from the table's left edge, and how wide.
type Span = (f32, f32);

/// Where each column is in a table of a width; none for those that are left out.
fn spans(columns: &[Column], width: f32) -> Vec<Option<Span>> {
    let shown = |column: &&Column| column.is_shown(width);
    let least: f32 = columns.iter().filter(shown).map(|column| column.least).sum();
    let weights: f32 = columns.iter().filter(shown).map(|column| column.weight).sum();
    let spare = (width - least).max(0.0);
    let mut left = 0.0;
    columns
        .iter()
        .map(|column| {
            if !column.is_shown(width) {
                return None;
            }
            let share = if weights > 0.0 { spare * column.weight / weights } else { 0.0 };
            let span = (left, column.least + share);
            left += span.1;
            Some(span)
        })
        .collect()
}

fn cell_builder(line: Rect, (left, width): Span, right: bool, parent: Id, role: Role) -> UiBuilder {
    let rect = Rect::from_min_size(line.min + Vec2::new(left, 0.0), Vec2::new(width, line.height()));
    let layout = if right { Layout::right_to_left(Align::Center) } else { Layout::left_to_right(Align::Center) };
    UiBuilder::new()
        .max_rect(rect.shrink2(Vec2::new(INSET, 0.0)))
        .layout(layout)
        .accessibility_parent(parent)
        .accessibility_role(role)
}

/// A row that is being drawn.
pub struct Row<'a> {
    ui: &'a mut Ui,
    tokens: &'a Tokens,
    columns: &'a [Column],
    spans: &'a [Option<Span>],
    rect: Rect,
    line: Response,
    index: usize,
    next: usize,
}

/// Where the columns of a table are.
struct Grid<'a> {
    id: Id,
    spans: &'a [Option<Span>],
    width: f32,
}

impl Row<'_> {
    fn draw(
        ui: &mut Ui,
        tokens: &Tokens,
        table: &Table<'_>,
        grid: &Grid<'_>,
        index: usize,
        fill: &mut impl FnMut(&mut Row<'_>),
    ) -> bool {
        let Grid { id, spans, width } = *grid;
        let (rect, _) = ui.allocate_exact_size(Vec2::new(width, table.row_height), Sense::hover());
        let sense = if table.clicks { Sense::click() } else { Sense::hover() };
        let line = ui.interact(rect, id.with(("row", index)), sense);
        ui.ctx().accesskit_node_builder(line.id, |node| {
            node.set_role(Role::Row);
            node.set_row_index(index + 1);
        });
        // Quieter than the line below the titles: it leads the eye across a wide table.
        ui.painter().hline(rect.x_range(), rect.bottom() - 0.5, (1.0, tokens.line.gamma_multiply(0.5)));
        if table.clicks && line.hovered() {
            ui.painter().rect_filled(rect.shrink2(Vec2::new(0.0, 1.0)), Size::CORNER, tokens.hovered);
        }
        if line.has_focus() {
            let stroke = (1.5, tokens.accent);
            ui.painter().rect_stroke(rect.shrink(1.0), Size::CORNER, stroke, egui::StrokeKind::Inside);
        }
        let clicked = line.clicked();
        fill(&mut Row { ui, tokens, columns: table.columns, spans, rect, line, index, next: 0 });
        clicked
    }

    /// Its number, from 0.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// The whole of it: for a context menu, or to see whether the pointer is over it.
    #[must_use]
    pub fn response(&self) -> &Response {
        &self.line
    }

    /// Says what it is called: what a screen reader says of the row as a whole.
    pub fn name(&mut self, name: &str) {
        self.ui.ctx().accesskit_node_builder(self.line.id, |node| node.set_label(name));
    }

    /// Shows it as chosen; to be called before its cells are filled.
    pub fn select(&mut self) {
        let face = self.rect.shrink2(Vec2::new(0.0, 1.0));
        self.ui.painter().rect_filled(face, Size::CORNER, self.tokens.selected);
        self.ui.ctx().accesskit_node_builder(self.line.id, |node| node.set_selected(true));
    }

    /// Fills the next cell.
    pub fn cell(&mut self, content: impl FnOnce(&mut Ui)) {
        let number = self.next;
        self.next += 1;
        let (Some(column), Some(Some(span))) = (self.columns.get(number), self.spans.get(number)) else { return };
        let builder = cell_builder(self.rect, *span, column.right, self.line.id, Role::Cell);
        self.ui.scope_builder(builder.id_salt((self.index, number)), |ui| {
            ui.shrink_clip_rect(ui.max_rect().expand2(Vec2::new(INSET - 2.0, 0.0)));
            ui.style_mut().wrap_mode = Some(egui::TextWrapMode::Truncate);
            content(ui);
        });
    }

    /// Fills the next cell with text.
    pub fn text(&mut self, text: impl Into<egui::WidgetText>) {
        self.cell(|ui| {
            ui.add(egui::Label::new(text).selectable(false));
        });
    }

    /// Fills the whole row, as a heading of those that follow.
    pub fn heading(&mut self, content: impl FnOnce(&mut Ui)) {
        self.ui.painter().rect_filled(self.rect, 0, self.tokens.panel);
        let builder = cell_builder(self.rect, (0.0, self.rect.width()), false, self.line.id, Role::RowHeader);
        self.ui.scope_builder(builder.id_salt((self.index, "heading")), content);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_share_the_width_and_go_where_it_is_too_narrow() {
        let columns = [Column::exact("a", 50.0), Column::wide("b", 100.0), Column::exact("c", 60.0).from(400.0)];
        assert_eq!(spans(&columns, 300.0), [Some((0.0, 50.0)), Some((50.0, 250.0)), None]);
        assert_eq!(spans(&columns, 400.0), [Some((0.0, 50.0)), Some((50.0, 290.0)), Some((340.0, 60.0))]);
        assert_eq!(spans(&columns, 100.0)[1], Some((50.0, 100.0)), "the least width stays");
    }

    #[test]
    fn only_visible_rows_are_drawn_and_rows_are_clicked() {
        let columns = [Column::exact("Number", 80.0).right().sorts(), Column::wide("Name", 100.0)];
        let mut drawn = 0;
        let mut outcome = Outcome::default();
        let mut harness = egui_kittest::Harness::builder().with_context_setup(crate::theme::install).build_ui(|ui| {
            let tokens = crate::theme::tokens(ui);
            drawn = 0;
            let now = Table::new("Things", &columns).clicks().show(ui, tokens, 200_000, |row| {
                drawn += 1;
                let name = format!("thing {}", row.index());
                row.name(&name);
                row.text(row.index().to_string());
                row.text(name);
            });
            if now != Outcome::default() {
                outcome = now;
            }
        });
        use egui_kittest::kittest::{NodeT, Queryable};
        harness.run();
        let table = harness.get_by_role(Role::Table);
        assert_eq!(table.accesskit_node().label().as_deref(), Some("Things"));
        harness.get_by_role_and_label(Role::Row, "thing 1").click();
        harness.run();
        harness.get_by_label("Sort by number").click();
        harness.run();
        drop(harness);
        assert!((1..60).contains(&drawn), "{drawn} rows were drawn");
        assert_eq!(outcome.sort_by, Some(0));
    }
}
