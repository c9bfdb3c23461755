//! Tests of the rows: that each line is looked at once, and that heights and places agree.

use super::*;

fn line(number: u64, message: &str) -> LogLine {
    LogLine {
        time_us: 1_000_000 * number,
        priority: if number.is_multiple_of(100) { 3 } else { 6 },
        message: message.to_owned(),
        fields: [("hostler_worker".to_owned(), (number % 4).to_string())].into(),
        ..LogLine::default()
    }
}

fn book(lines: u64) -> LogBook {
    let mut book = LogBook::default();
    book.extend((0..lines).map(|number| line(number, &format!("GET /{number}"))).collect());
    book
}

/// Follows until there is nothing more to look at; how often it took.
fn settle(index: &mut LogIndex, book: &LogBook) -> u64 {
    let mut rounds = 1;
    while index.follow(book, None) {
        rounds += 1;
    }
    rounds
}

#[test]
fn each_line_is_looked_at_once() {
    let mut book = book(200_000);
    let mut index = LogIndex::default();
    assert_eq!(settle(&mut index, &book), 10, "so many at a time");
    assert_eq!((index.len(), index.looked_at()), (200_000, 200_000));
    // At rest nothing is looked at, and of what is new only that.
    for _ in 0..50 {
        assert!(!index.follow(&book, None));
    }
    book.extend((200_000..200_007).map(|number| line(number, "new")).collect());
    assert!(!index.follow(&book, None));
    assert_eq!(index.looked_at(), 200_007);
    assert_eq!(index.len(), 200_000, "the oldest went");
    assert_eq!(index.gone(), 7);
    assert_eq!(index.row(0).unwrap().number, 7);
}

#[test]
fn criteria_pick_rows_and_time_is_counted_outside_of_them() {
    let book = book(1_000);
    let mut index = LogIndex::default();
    settle(&mut index, &book);
    index.set_criteria(LogCriteria { severity: Severity::Error, ..LogCriteria::default() });
    settle(&mut index, &book);
    assert_eq!(index.len(), 10);
    index.set_criteria(LogCriteria { time_us: Some(100_000_000..200_000_000), ..LogCriteria::default() });
    settle(&mut index, &book);
    assert_eq!((index.len(), index.row(0).unwrap().number), (100, 100));
    assert!(index.histogram().time_us().unwrap().end > 900_000_000, "the histogram shows all times");
    assert_eq!(index.values("worker").collect::<Vec<_>>(), ["0", "1", "2", "3"]);
}

#[test]
fn a_pause_holds_the_rows() {
    let mut book = book(10);
    let mut index = LogIndex::default();
    settle(&mut index, &book);
    book.extend(vec![line(10, "more")]);
    assert!(!index.follow(&book, Some(10)));
    assert_eq!((index.len(), index.next()), (10, 10));
    assert!(!index.follow(&book, None));
    assert_eq!(index.len(), 11);
}

#[test]
fn heights_and_places_agree() {
    let mut book = LogBook::default();
    let texts = ["short", "0123456789abcdefghij!", "first\nsecond\n0123456789abc", "end"];
    book.extend(texts.iter().enumerate().map(|(number, text)| line(number as u64, text)).collect());
    let mut index = LogIndex::default();
    settle(&mut index, &book);
    let heights = |index: &LogIndex| -> Vec<u64> {
        (0..index.len()).map(|place| index.extent(place)).map(|extent| extent.end - extent.start).collect()
    };
    assert_eq!(heights(&index), [1, 1, 1, 1]);
    index.set_unfolded(2, true, &book);
    assert_eq!((heights(&index), index.height()), (vec![1, 1, 3, 1], 6));
    index.set_columns(Some(10), &book);
    assert_eq!(heights(&index), [1, 3, 4, 1]);
    for line in 0..index.height() {
        let place = index.place_at(line);
        assert!(index.extent(place).contains(&line), "line {line} in row {place}");
    }
    assert_eq!(index.place_at(index.height()), 4);
    // The same after the first row went.
    book.extend((4..200_001).map(|number| line(number, "x")).collect());
    settle(&mut index, &book);
    assert_eq!((index.extent(0), index.gone()), (0..3, 1));
    assert_eq!(index.place_at(2), 0);
    index.set_unfolded(2, false, &book);
    assert_eq!(index.extent(1), 3..4);
}

#[test]
fn a_search_goes_round() {
    let mut book = book(300);
    let mut index = LogIndex::default();
    settle(&mut index, &book);
    index.set_search("get /29");
    settle(&mut index, &book);
    assert_eq!(index.found(None), Found { position: 0, count: 11 });
    let first = index.next_found(None, true);
    assert_eq!(first, Some(29));
    assert_eq!(index.found(first), Found { position: 1, count: 11 });
    assert_eq!(index.next_found(first, true), Some(290));
    assert_eq!(index.next_found(first, false), Some(299), "round the beginning");
    assert_eq!(index.next_found(Some(299), true), Some(29), "round the end");
    book.extend(vec![line(300, "GET /2900")]);
    settle(&mut index, &book);
    assert_eq!(index.found(None).count, 12, "what is new is searched");
    let looked_at = index.looked_at();
    index.set_search("");
    settle(&mut index, &book);
    assert_eq!((index.found(None).count, index.looked_at()), (0, looked_at));
}

#[test]
fn a_log_that_was_cleared_begins_anew() {
    let mut book = book(50);
    let mut index = LogIndex::default();
    settle(&mut index, &book);
    book.clear();
    settle(&mut index, &book);
    assert!(index.is_empty() && index.histogram().time_us().is_none());
    book.extend(vec![line(50, "again")]);
    settle(&mut index, &book);
    assert_eq!((index.len(), index.row(0).unwrap().number, index.extent(0)), (1, 50, 0..1));
}
