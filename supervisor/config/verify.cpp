#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "config/ceiling.hpp"
#include "config/checks.hpp"
#include "config/effective.hpp"
#include "config/load.hpp"
#include "config/names.hpp"
#include "config/trusted_dir.hpp"
#include "config/unit_files.hpp"

// One file by itself: what can be said without the unit's other files.
namespace jailsvc::config {
namespace {

struct FilePath {
    std::string directory;
    std::string name;
};

FilePath split_path(const std::string& path) {
    const auto slash = path.rfind('/');
    if (slash == std::string::npos) return {.directory = ".", .name = path};
    return {.directory = slash == 0 ? "/" : path.substr(0, slash), .name = path.substr(slash + 1)};
}

/// The folder by its one name, so that "." and links compare; as given where it does not exist.
std::string real_folder(const std::string& directory) {
    const std::unique_ptr<char, decltype(&std::free)> real(::realpath(directory.c_str(), nullptr),
                                                           std::free);
    return real != nullptr ? std::string(real.get()) : directory;
}

std::string without_suffix(std::string name, std::string_view suffix) {
    if (name.ends_with(suffix)) name.resize(name.size() - suffix.size());
    return name;
}

/// "web.toml", "worker@.toml", "web.toml.d/10-more.toml", "profiles/tight.toml".
struct Identified {
    FileKind kind = FileKind::kUnit;
    std::string unit;
};

Identified identify(const std::string& path) {
    const FilePath parts = split_path(path);
    const std::string parent = split_path(parts.directory).name;
    Identified out;
    std::string name = without_suffix(parts.name, ".toml");
    if (parent == "profiles") {
        out.kind = FileKind::kProfile;
        // A profile serves instances too, so %i is good in it.
        name = "unit@";
    } else if (parent.ends_with(".toml.d")) {
        out.kind = FileKind::kDropIn;
        name = without_suffix(parent, ".toml.d");
    }
    if (name.ends_with('@')) name += kStandIn;
    out.unit = is_unit_name(name) ? name : "unit";
    return out;
}

/// Why no loader would ever read a file of this name there; empty if one would.
std::string name_fault(const FilePath& parts, FileKind kind) {
    const std::string name = without_suffix(parts.name, ".toml");
    switch (kind) {
        case FileKind::kUnit:
            return unit_file_fault(parts.name);
        case FileKind::kDropIn:
            if (name == parts.name) return "no drop-in: the file's name has to end in .toml";
            return unit_file_fault(without_suffix(split_path(parts.directory).name, ".d"));
        case FileKind::kProfile:
            if (name != parts.name && is_profile_name(name)) return {};
            return "no profile: the file's name has to be letters, digits, _ and -, then .toml";
    }
    return {};
}

Diagnostics check_source(const Sources& sources, const Schema& schema, const SourceText& source,
                         const Identified& identified) {
    Reporter reporter;
    auto document = parse_document(source, schema, reporter);
    if (!document) return reporter.take();
    check_kind(*document, identified.kind, reporter);
    Specifiers specifiers = specifiers_for(sources, identified.unit);
    specifiers.user = kStandIn;  // whom another file may name
    expand(*document, specifiers, reporter);
    const bool stands_in = specifiers.instance == kStandIn;
    (stands_in ? check_template : check_document)(*document, schema, reporter);
    if (identified.kind == FileKind::kUnit) check_whole(*document, reporter);
    return reporter.take();
}

bool is_one_of(const std::vector<std::string>& directories, const std::string& real) {
    return std::ranges::any_of(directories,
                               [&](const std::string& each) { return real_folder(each) == real; });
}

}  // namespace

Diagnostics verify_text(const Schema& schema, const std::string& file_name, std::string_view text) {
    const SourceText source{.name = file_name, .text = std::string(text)};
    return check_source(Sources{}, schema, source, identify(file_name));
}

bool is_profile_file(const Sources& sources, const std::string& path) {
    const std::string folder = real_folder(split_path(path).directory);
    return split_path(folder).name == "profiles" || is_one_of(sources.profile_dirs, folder);
}

bool is_ceiling_file(const Sources& sources, const std::string& path) {
    const FilePath parts = split_path(path);
    const std::string folder = real_folder(parts.directory);
    return parts.name == "ceiling.toml" && split_path(folder).name != "units" &&
           !is_one_of(sources.unit_dirs, folder) && !is_profile_file(sources, path);
}

Diagnostics verify_file(const Sources& sources, const Schema& schema, const std::string& path) {
    const FilePath parts = split_path(path);
    const Trust trust = sources.require_trusted_owner ? Trust::kRootOnly : Trust::kAny;
    const auto complain = [&](const std::string& file, const Error& error) {
        return Diagnostics{{.file = file, .message = error.message}};
    };
    const auto dir = TrustedDir::open(parts.directory, trust);
    if (!dir && dir.error().code == ENOENT) return complain(path, dir.error());
    if (!dir) return complain(parts.directory, dir.error());
    auto text = dir->read(parts.name);
    if (!text) return complain(path, text.error());

    if (is_ceiling_file(sources, path)) {
        Reporter reporter;
        (void)Ceiling::parse({.name = path, .text = std::move(*text)}, schema, reporter);
        return reporter.take();
    }
    const Identified identified = is_profile_file(sources, path)
                                      ? identify("profiles/" + parts.name)
                                      : identify(real_folder(parts.directory) + "/" + parts.name);
    auto found =
        check_source(sources, schema, {.name = path, .text = std::move(*text)}, identified);
    const FilePath real = {real_folder(parts.directory), parts.name};
    const std::string fault = name_fault(real, identified.kind);
    if (!fault.empty()) found.insert(found.begin(), {.file = path, .message = fault});
    return found;
}

}  // namespace jailsvc::config
