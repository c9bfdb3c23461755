//! The framework that an application is written with, told by the words of its file. It is only told to people: nothing depends
//! on it but what is said of static files.

use std::path::Path;

use crate::reading;

/// What stands in a file that makes an application, and the framework; the first that fits counts.
const MARKS: [(&str, &str); 15] = [
    ("get_wsgi_application", "Django"),
    ("get_asgi_application", "Django"),
    ("FastAPI(", "FastAPI"),
    ("Litestar(", "Litestar"),
    ("Quart(", "Quart"),
    ("Flask(", "Flask"),
    ("Starlette(", "Starlette"),
    ("falcon.", "Falcon"),
    ("Bottle(", "Bottle"),
    ("make_wsgi_app(", "Pyramid"),
    ("BlackSheep(", "BlackSheep"),
    ("Sanic(", "Sanic"),
    ("Dash(", "Dash"),
    ("from flask ", "Flask"),
    ("from fastapi ", "FastAPI"),
];

/// The framework of a module below `directory`; `None` where the file does not show it.
pub(crate) fn of(directory: &Path, module: &str) -> Option<&'static str> {
    let stem = module.replace('.', "/");
    let files = [format!("{stem}.py"), format!("{stem}/__init__.py")];
    let bytes = files.iter().find_map(|file| reading::bytes(&directory.join(file)).ok())?;
    by_text(&String::from_utf8_lossy(&bytes))
}

fn by_text(text: &str) -> Option<&'static str> {
    let code: String =
        text.lines().filter(|line| !line.trim_start().starts_with('#')).map(|line| format!("{line}\n")).collect();
    MARKS.iter().find(|(mark, _)| code.contains(mark)).map(|(_, framework)| *framework)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frameworks_are_told_by_what_makes_the_application() {
        for (text, framework) in [
            ("from django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()", Some("Django")),
            ("app = FastAPI(title='x')", Some("FastAPI")),
            ("# like Flask()\nfrom quart import Quart\napp = Quart(__name__)", Some("Quart")),
            ("def create_app():\n    app = Flask(__name__)", Some("Flask")),
            ("app = falcon.asgi.App()", Some("Falcon")),
            ("def app(environ, start_response): pass", None),
        ] {
            assert_eq!(by_text(text), framework, "{text}");
        }
    }
}
