// simdjson On-Demand: only reads what an analysis needs, and analyzes nothing.
//
//     simdjson FILE whole|batches
//
// `whole` is one document; `batches` cuts about 1 MiB of traces at a time, whose index stays in the cache.
// The file is mapped, and followed by the padding that simdjson wants. Prints sums over all fields.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "simdjson.h"

using namespace simdjson;
using std::string_view;

struct Id {
    uint64_t high = 0, low = 0;
    uint64_t halves() const { return high ^ low; }
};

struct Span {
    Id trace, id, parent;
    uint64_t start_us, duration_us, http_status = 0;
    bool failed = false;
    string_view operation, process, service, kind, text, peer;
};

struct Sums {
    uint64_t spans = 0, failed = 0, duration_us = 0, start_us = 0, ids = 0;
    uint64_t http_status = 0, text_bytes = 0, services = 0;
};

// 16 hexadecimal digits, all at once.
static uint64_t hex16(const char *text) {
    uint64_t halves[2];
    memcpy(halves, text, 16);
    for (uint64_t &it : halves) {
        uint64_t letters = it >> 6 & 0x0101010101010101;
        it = (it & 0x0f0f0f0f0f0f0f0f) + letters * 9;
        it = (it << 4 | it >> 8) & 0x00ff00ff00ff00ff;
        it = (it << 8 | it >> 16) & 0x0000ffff0000ffff;
        it = (it << 16 | it >> 32) & 0x00000000ffffffff;
    }
    return halves[0] << 32 | halves[1];
}

static Id parse_id(string_view text) {
    char digits[33];
    memset(digits, '0', 32);
    if (text.size() > 32) throw std::runtime_error("an id that is too long");
    memcpy(digits + 32 - text.size(), text.data(), text.size());
    return {hex16(digits), hex16(digits + 16)};
}

enum class Tag { other, error, status_code, kind, http_status, text, peer };

// Of a key in its quotes; few keys share a length.
static Tag wanted(string_view key) {
    switch (key.size() - 2) {
    case 5: return key == "\"error\"" ? Tag::error : Tag::other;
    case 8: return key == "\"http.url\"" || key == "\"url.full\"" ? Tag::text : Tag::other;
    case 9: return key == "\"span.kind\"" ? Tag::kind : Tag::other;
    case 12: return key == "\"db.statement\"" ? Tag::text : key == "\"peer.service\"" ? Tag::peer : Tag::other;
    case 13: return key == "\"db.query.text\"" ? Tag::text : key == "\"net.peer.name\"" ? Tag::peer : Tag::other;
    case 14: return key == "\"server.address\"" ? Tag::peer : Tag::other;
    case 16:
        return key == "\"otel.status_code\"" ? Tag::status_code
               : key == "\"http.status_code\"" ? Tag::http_status : Tag::other;
    case 25: return key == "\"http.response.status_code\"" ? Tag::http_status : Tag::other;
    default: return Tag::other;
    }
}

static void read_tag(ondemand::object tag, Span &span) {
    string_view key = tag.find_field("key").raw_json_token();
    while (key.back() != '"') key.remove_suffix(1);  // the token reaches to the next one
    switch (wanted(key)) {
    case Tag::error: {
        bool failed;
        if (!tag.find_field("value").get_bool().get(failed)) span.failed |= failed;
        break;
    }
    case Tag::status_code: span.failed |= tag.find_field("value").get_string().value() == "ERROR"; break;
    case Tag::kind: span.kind = tag.find_field("value").get_string(); break;
    case Tag::http_status: span.http_status = tag.find_field("value").get_uint64(); break;
    case Tag::text: span.text = tag.find_field("value").get_string(); break;
    case Tag::peer: span.peer = tag.find_field("value").get_string(); break;
    case Tag::other: break;
    }
}

// The order asked for is the one in the file, so each key is found where it is looked for.
static void read_span(ondemand::object json, Span &span) {
    span.trace = parse_id(json.find_field("traceID").get_string());
    span.id = parse_id(json.find_field("spanID").get_string());
    span.operation = json.find_field("operationName").get_string();
    for (ondemand::object reference : json.find_field("references").get_array()) {
        if (reference.find_field("refType").get_string().value() == "CHILD_OF") {
            span.parent = parse_id(reference.find_field("spanID").get_string());
            break;
        }
    }
    span.start_us = json.find_field("startTime").get_uint64();
    span.duration_us = json.find_field("duration").get_uint64();
    for (ondemand::object tag : json.find_field("tags").get_array()) read_tag(tag, span);
    span.process = json.find_field("processID").get_string();
}

// `spans` is kept for its memory.
static void read_trace(ondemand::object json, std::vector<Span> &spans, Sums &sums) {
    spans.clear();
    for (ondemand::object span : json.find_field("spans").get_array()) {
        spans.emplace_back();
        read_span(span, spans.back());
    }
    std::vector<std::pair<string_view, string_view>> processes;
    for (auto process : json.find_field("processes").get_object())
        processes.emplace_back(process.unescaped_key(), process.value().find_field("serviceName").get_string());
    for (Span &span : spans) {
        for (auto &[key, service] : processes)
            if (key == span.process) span.service = service;
        sums.spans += 1;
        sums.failed += span.failed;
        sums.duration_us += span.duration_us;
        sums.start_us += span.start_us;
        sums.ids += span.trace.halves() + span.id.halves() * 3 + span.parent.halves() * 5;
        sums.http_status += span.http_status;
        sums.text_bytes += span.operation.size() + span.kind.size() + span.text.size() + span.peer.size();
        sums.services += span.service.size();
    }
}

struct File {
    char *data;
    size_t size;
};

// The file over the start of a larger mapping, whose rest is the padding.
static File map_padded(const char *path) {
    int file = open(path, O_RDONLY);
    struct stat about;
    if (file < 0 || fstat(file, &about) != 0) throw std::runtime_error("cannot open the file");
    size_t size = about.st_size;
    int anonymous = MAP_PRIVATE | MAP_ANONYMOUS;
    void *all = mmap(nullptr, size + SIMDJSON_PADDING + 4096, PROT_READ | PROT_WRITE, anonymous, -1, 0);
    if (all == MAP_FAILED) throw std::runtime_error("cannot map the file");
    void *data = mmap(all, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, file, 0);
    if (data == MAP_FAILED) throw std::runtime_error("cannot map the file");
    return {static_cast<char *>(data), size};
}

// The comma before the first trace that starts at or after `from`; the end if there is none.
static char *next_trace(char *from, char *end) {
    static const string_view before = ",{\"traceID\":\"", after = "\",\"spans\":[";
    while (true) {
        void *found = from < end ? memmem(from, end - from, after.data(), after.size()) : nullptr;
        if (!found) return end;
        char *comma = static_cast<char *>(found) - 32 - before.size();
        from = static_cast<char *>(found) + 1;
        if (memcmp(comma, before.data(), before.size()) == 0) return comma;
    }
}

static void read_whole(File file, std::vector<Span> &spans, Sums &sums) {
    ondemand::parser parser;
    ondemand::document document = parser.iterate(file.data, file.size, file.size + SIMDJSON_PADDING);
    for (ondemand::object trace : document.find_field("data").get_array()) read_trace(trace, spans, sums);
}

// Commas between batches become brackets (in this process only), so that each batch is a list.
static void read_batches(File file, std::vector<Span> &spans, Sums &sums) {
    ondemand::parser parser;
    char *end = static_cast<char *>(memrchr(file.data, ']', file.size));
    char *start = static_cast<char *>(memchr(file.data, '[', file.size));
    while (start < end) {
        char *cut = end - start > (1 << 20) ? next_trace(start + (1 << 20), end) : end;
        *start = '[';
        *cut = ']';
        size_t size = cut + 1 - start;
        ondemand::document document = parser.iterate(start, size, size + SIMDJSON_PADDING);
        for (ondemand::object trace : document.get_array()) read_trace(trace, spans, sums);
        start = cut;
    }
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    File file = map_padded(argv[1]);
    std::vector<Span> spans;
    Sums it;
    string_view(argv[2]) == "whole" ? read_whole(file, spans, it) : read_batches(file, spans, it);
    printf("extracted\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%016" PRIx64 "\t%" PRIu64 "\t%" PRIu64 "\n",
           it.spans, it.failed, it.duration_us, it.start_us, it.ids, it.http_status, it.text_bytes);
    return it.services == 0;
}
