//! From a file's name to its media type.

use std::collections::HashMap;

use axum::http::HeaderValue;

use super::path;

/// What names say of their files.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kinds {
    /// By extension, in lower case.
    pub(crate) overrides: HashMap<String, HeaderValue>,
    /// Files are to be kept, not to be shown.
    pub(crate) attachment: bool,
}

impl Kinds {
    /// For `Content-Type`.
    pub(crate) fn of(&self, name: &str) -> HeaderValue {
        let extension = extension(name);
        match self.overrides.get(&extension) {
            Some(kind) => kind.clone(),
            None => HeaderValue::from_static(media_type(&extension)),
        }
    }

    /// For `Content-Disposition` (RFC 6266): the name in ASCII, and as it is where that differs.
    pub(crate) fn disposition(&self, name: &str) -> Option<HeaderValue> {
        if !self.attachment {
            return None;
        }
        let name = name.rsplit('/').next().unwrap_or_default();
        let plain = |c: char| (c == ' ' || c.is_ascii_graphic()) && !matches!(c, '"' | '\\' | '%');
        let ascii: String = name.chars().map(|c| if plain(c) { c } else { '_' }).collect();
        let mut field = format!("attachment; filename=\"{ascii}\"");
        if ascii != name {
            field.push_str("; filename*=UTF-8''");
            field.push_str(&path::encode(name));
        }
        HeaderValue::try_from(field).ok()
    }
}

fn extension(name: &str) -> String {
    let file = name.rsplit('/').next().unwrap_or_default();
    file.rsplit_once('.')
        .map(|(_, extension)| extension.to_ascii_lowercase())
        .unwrap_or_default()
}

/// What is not known is `application/octet-stream`: with `nosniff` no browser runs it.
fn media_type(extension: &str) -> &'static str {
    match extension {
        "html" | "htm" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "txt" | "text" | "log" => "text/plain; charset=utf-8",
        "md" => "text/markdown; charset=utf-8",
        "csv" => "text/csv; charset=utf-8",
        "tsv" => "text/tab-separated-values; charset=utf-8",
        "ics" => "text/calendar; charset=utf-8",
        "vcf" => "text/vcard; charset=utf-8",
        "vtt" => "text/vtt; charset=utf-8",
        "xml" => "application/xml",
        "xhtml" => "application/xhtml+xml",
        "atom" => "application/atom+xml",
        "rss" => "application/rss+xml",
        "json" | "map" => "application/json",
        "jsonld" => "application/ld+json",
        "geojson" => "application/geo+json",
        "webmanifest" => "application/manifest+json",
        "yaml" | "yml" => "application/yaml",
        "toml" => "application/toml",
        "wasm" => "application/wasm",
        "pdf" => "application/pdf",
        "rtf" => "application/rtf",
        "epub" => "application/epub+zip",
        "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "pptx" => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "odt" => "application/vnd.oasis.opendocument.text",
        "ods" => "application/vnd.oasis.opendocument.spreadsheet",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "apng" => "image/apng",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "jxl" => "image/jxl",
        "bmp" => "image/bmp",
        "tif" | "tiff" => "image/tiff",
        "heic" => "image/heic",
        "ico" => "image/vnd.microsoft.icon",
        "woff" => "font/woff",
        "woff2" => "font/woff2",
        "ttf" => "font/ttf",
        "otf" => "font/otf",
        "mp3" => "audio/mpeg",
        "m4a" => "audio/mp4",
        "ogg" | "oga" | "opus" => "audio/ogg",
        "flac" => "audio/flac",
        "wav" => "audio/wav",
        "weba" => "audio/webm",
        "mp4" | "m4v" => "video/mp4",
        "webm" => "video/webm",
        "ogv" => "video/ogg",
        "mov" => "video/quicktime",
        "mkv" => "video/matroska",
        "m3u8" => "application/vnd.apple.mpegurl",
        "zip" => "application/zip",
        "gz" | "tgz" => "application/gzip",
        "zst" => "application/zstd",
        "tar" => "application/x-tar",
        "7z" => "application/x-7z-compressed",
        _ => "application/octet-stream",
    }
}
