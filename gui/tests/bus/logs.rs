//! The log, whole and bounded.

use hostler_bus::daemon::{Error, InstanceState, LogFilter, LogLine, Reach};
use hostler_manager::bus::{Bus as _, Event, Order};
use hostler_manager::model::{FailureKind, InstanceKey};

use super::fake::{Bus, Played, line};
use super::{Window, key, run};

const LINES: u64 = 100_000;

fn logged(event: Event) -> Option<Vec<LogLine>> {
    if let Event::Logged(_, lines) = event { Some(lines) } else { None }
}

#[test]
fn a_hundred_thousand_lines_come_whole_and_never_all_at_once() {
    run(async {
        let bus = Bus::start();
        let played = Played::shop(InstanceState::Serving);
        *played.log_lines.lock().unwrap() = LINES;
        let _daemon = played.serve(&bus).await;
        let window = Window::connected(&bus).await;
        let filter = LogFilter { lines: Some(100_000), ..LogFilter::default() };
        let mut sent = played.log_sent.subscribe();
        window.thread.send(Order::FollowLogs(key("shop"), filter));
        // Nobody takes them: what was sent stands in the queue, in buffers of both, and not a line more.
        sent.wait_for(|sent| *sent >= 20_000).await.unwrap();
        let still = async {
            while tokio::time::timeout(std::time::Duration::from_millis(300), sent.changed()).await.is_ok() {}
        };
        still.await;
        let waiting = *sent.borrow();
        assert!(waiting < 30_000, "{waiting} lines were taken before anybody wanted them");
        let (mut next, mut batches) = (0, 0);
        while next < LINES {
            let lines = window.until(logged).await;
            assert!(lines.len() <= 1000);
            batches += 1;
            for found in lines {
                assert_eq!(found, line(next));
                next += 1;
            }
        }
        assert!(batches < 1000, "{batches} events");
        let end = window.until(|event| if let Event::LogsEnded(_, why) = event { Some(why) } else { None }).await;
        assert_eq!(end, None);
    });
}

#[test]
fn a_log_that_is_followed_goes_on_after_the_daemon_came_back() {
    run(async {
        let bus = Bus::start();
        let played = Played::shop(InstanceState::Serving);
        *played.log_lines.lock().unwrap() = 10;
        let daemon = played.serve(&bus).await;
        let window = Window::connected(&bus).await;
        let filter = LogFilter { follow: true, text: "GET".to_owned(), ..LogFilter::default() };
        window.thread.send(Order::FollowLogs(key("shop"), filter));
        let mut lines = Vec::new();
        while lines.len() < 10 {
            lines.extend(window.until(logged).await);
        }
        daemon.close().await.unwrap();
        window.away().await;
        *played.log_lines.lock().unwrap() = 13;
        let _daemon = played.serve(&bus).await;
        while lines.len() < 13 {
            lines.extend(window.until(logged).await);
        }
        assert_eq!(lines, (0..13).map(line).collect::<Vec<LogLine>>());
        let filters = played.log_filters.lock().unwrap().clone();
        let last = filters.last().unwrap();
        assert_eq!((last.cursor.as_str(), last.text.as_str(), last.follow), ("9", "GET", true));
        window.thread.send(Order::EndLogs(key("shop")));
        let end = window.until(|event| if let Event::LogsEnded(_, why) = event { Some(why) } else { None }).await;
        assert_eq!(end, None);
    });
}

#[test]
fn a_log_that_is_refused_says_why() {
    run(async {
        let bus = Bus::start();
        let played = Played::shop(InstanceState::Serving);
        let refused = Error::NotAuthorized { purpose: "read its log".to_owned(), reason: "polkit refused".to_owned() };
        *played.refusal.lock().unwrap() = Some(refused);
        let _daemon = played.serve(&bus).await;
        let window = Window::connected(&bus).await;
        window.thread.send(Order::FollowLogs(key("shop"), LogFilter { follow: true, ..LogFilter::default() }));
        let end = window.until(|event| if let Event::LogsEnded(_, why) = event { Some(why) } else { None }).await;
        assert_eq!(end.unwrap().kind, FailureKind::NotPermitted);
        *played.refusal.lock().unwrap() = None;
        window.thread.send(Order::FollowLogs(key("shop"), LogFilter { follow: true, ..LogFilter::default() }));
        window.until(|event| matches!(event, Event::LogsOpened(_)).then_some(())).await;
    });
}

#[test]
fn where_no_descriptor_passes_the_log_comes_page_by_page_and_whole() {
    run(async {
        let bus = Bus::start();
        let played = Played::shop(InstanceState::Serving);
        *played.log_lines.lock().unwrap() = 300;
        let _daemon = played.serve(&bus).await;
        let window = Window::open(&bus);
        // Another machine, as far as the bus thread knows.
        let reach = Reach { user: true, host: Some("web1".to_owned()) };
        let shop = InstanceKey { reach: reach.clone(), name: "shop".to_owned() };
        window.thread.send(Order::Connect(reach));
        window.ready().await;
        let filter = LogFilter { follow: true, lines: Some(200), ..LogFilter::default() };
        window.thread.send(Order::FollowLogs(shop.clone(), filter));
        let mut lines = Vec::new();
        while lines.len() < 200 {
            lines.extend(window.until(logged).await);
        }
        assert_eq!(lines, (100..300).map(line).collect::<Vec<LogLine>>());
        // More at once than a page holds.
        *played.log_lines.lock().unwrap() = 12_345;
        while lines.len() < 12_245 {
            let batch = window.until(logged).await;
            assert!(batch.len() <= 1000);
            lines.extend(batch);
        }
        assert!(
            lines.iter().zip(100..).all(|(found, number)| *found == line(number)),
            "no line is left out or told twice"
        );
        let filters = played.log_filters.lock().unwrap().clone();
        assert!(filters[1..].iter().all(|filter| filter.lines == Some(5_000) && !filter.cursor.is_empty()));
        assert_eq!(played.called_for("logs"), 0);
        window.thread.send(Order::EndLogs(shop));
        let end = window.until(|event| if let Event::LogsEnded(_, why) = event { Some(why) } else { None }).await;
        assert_eq!(end, None);
    });
}
