#include "edit.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>

#include "base/site_files.hpp"
#include "base/sys.hpp"
#include "enable.hpp"
#include "programs.hpp"
#include "site_write.hpp"
#include "text.hpp"

namespace jailsvc::ctl {
namespace {

/// A folder of root's own, laid out as a unit directory with the draft alone in it: put before the
/// others, it is what they would be with the draft in its place.
class Draft {
public:
    static Result<Draft> make(const SiteFile& target, std::string_view text) {
        char pattern[] = "/tmp/jailsvc-edit.XXXXXX";  // mode 0700 (mkdtemp(3))
        if (::mkdtemp(pattern) == nullptr) return fail_errno("a folder in /tmp", errno);
        Draft draft(pattern, {pattern, target.folder, target.name});
        TRY_VOID(write_site_file(draft.file_, text));
        return draft;
    }
    Draft(Draft&& other) noexcept
        : root_(std::exchange(other.root_, {})), file_(std::move(other.file_)) {}
    Draft(const Draft&) = delete;
    Draft& operator=(const Draft&) = delete;
    Draft& operator=(Draft&&) = delete;
    ~Draft() {
        std::error_code ignored;  // what is left in /tmp harms nobody
        if (!root_.empty()) std::filesystem::remove_all(root_, ignored);
    }

    [[nodiscard]] std::string path() const { return file_.path(); }
    [[nodiscard]] Result<std::string> text() const {
        TRY(const auto text, read_site_file(file_));
        return text.value_or("");
    }

private:
    Draft(std::string root, SiteFile file) : root_(std::move(root)), file_(std::move(file)) {}

    std::string root_;
    SiteFile file_;
};

/// Becomes the user's editor.
int become_editor(const std::string& path) {
    ::signal(SIGINT, SIG_DFL);
    ::signal(SIGQUIT, SIG_DFL);
    for (const char* variable : {"VISUAL", "EDITOR"}) {
        const char* editor = std::getenv(variable);
        if (editor == nullptr || *editor == '\0') continue;
        // It may have arguments ("code --wait"): by custom the shell takes it apart.
        const std::string command = fmt::format("{} \"$1\"", editor);
        ::execl("/bin/sh", "sh", "-c", command.c_str(), "sh", path.c_str(), nullptr);
        return kNotFound;
    }
    for (const char* editor : {"editor", "nano", "vi"}) {
        ::execlp(editor, editor, path.c_str(), nullptr);
    }
    std::fputs("jailsvc: there is no editor; set EDITOR\n", stderr);
    return kNotFound;
}

/// What the keyboard's signals are meant for while it runs, as in system(3).
Result<void> have_edited(const std::string& path) {
    const auto interrupt = ::signal(SIGINT, SIG_IGN);
    const auto quit = ::signal(SIGQUIT, SIG_IGN);
    const auto code = run_apart([&] { return become_editor(path); });
    ::signal(SIGINT, interrupt);
    ::signal(SIGQUIT, quit);
    if (!code) return std::unexpected(code.error());
    if (*code == 0) return {};
    return fail(fmt::format("the editor ended with code {}; nothing was changed", *code), kFailure);
}

/// `jailsvc verify` of the draft, which says on stderr what is wrong.
Result<bool> is_valid(const Context& context, const std::string& path) {
    Context plain = context;
    plain.json = false;
    std::vector<std::string> arguments = with_places(context, "verify");
    arguments.push_back(path);
    TRY(const int code, run_apart([&] { return become(plain, "jailsvcd", arguments); }));
    return code == 0;
}

bool wants_to_go_on() {
    if (::isatty(STDIN_FILENO) == 0 || ::isatty(STDERR_FILENO) == 0) return false;
    std::fputs("Edit it again? [Y/n] ", stderr);
    char answer[16] = "";
    if (std::fgets(answer, sizeof answer, stdin) == nullptr) return false;
    return answer[0] != 'n' && answer[0] != 'N';
}

class Editing {
public:
    Editing(const Context& context, const EditOptions& options)
        : context_(context), options_(options) {}

    Result<void> run() {
        TRY_VOID(find());
        TRY(const std::optional<std::string> present, read_site_file(target_));
        TRY(const std::string beginning, text_to_edit(present));
        TRY(const Draft draft, Draft::make(target_, beginning));
        TRY(const std::string text, edited(draft));
        const std::string before = present.value_or(options_.full ? beginning : "");
        if (text == before || (says_nothing(text) && !present)) return {};
        if (says_nothing(text)) {
            TRY(changed_, remove_site_file(target_));
            removed_ = true;
        } else {
            TRY_VOID(write_site_file(target_, text));
            changed_ = true;
        }
        TRY(reloaded_, reload_if_running(context_));
        return {};
    }
    void tell() const {
        if (context_.json) {
            print_json({{"unit", unit_},
                        {"file", target_.path()},
                        {"changed", changed_},
                        {"reloaded", reloaded_}});
            return;
        }
        const char* what = !changed_ ? "not changed" : removed_ ? "removed" : "written";
        std::printf("%s: %s\n", printable(target_.path()).c_str(), what);
        if (reloaded_) {
            std::printf("`jailsvc apply %s` restarts what runs with the old one\n", unit_.c_str());
        }
    }

private:
    Result<void> find() {
        TRY(const Json all, ask_installed(context_, {options_.unit}));
        unit_ = all.at("units")[0].at("name").get<std::string>();  // of an alias the unit's own
        const std::string site = all.at("site").get<std::string>();
        const std::string transient = all.at("transient").get<std::string>();
        file_ = all.at("units")[0].at("file").get<std::string>();
        if (!options_.full) {
            target_ = drop_in_of(site, unit_, kOverrideFile);
            return {};
        }
        target_ = {.site = site, .folder = {}, .name = unit_ + ".toml"};
        if (!file_.starts_with(transient + "/")) return {};
        return fail(fmt::format("{}: {} is there until the machine is started anew, and goes over "
                                "what the site has; change it where it is made",
                                unit_, file_),
                    kFailure);
    }
    [[nodiscard]] Result<std::string> text_to_edit(
        const std::optional<std::string>& present) const {
        if (options_.full && present) return *present;
        auto under = sys::read_file(file_);
        if (!under) return fail(under.error().message, kFailure);
        return options_.full ? *under : draft_of(present.value_or(""), file_, *under);
    }

    /// What the person ends with: nothing that has errors.
    [[nodiscard]] Result<std::string> edited(const Draft& draft) const {
        while (true) {
            TRY_VOID(have_edited(draft.path()));
            TRY(std::string text, draft.text());
            if (!options_.full) text = kept_of(text);
            if (says_nothing(text) && !options_.full) return text;
            TRY(const bool valid, is_valid(context_, draft.path()));
            if (valid && !says_nothing(text)) return text;
            if (wants_to_go_on()) continue;
            return fail(unit_ + (valid ? ": the file says nothing; nothing was changed"
                                       : ": that has errors; nothing was changed"),
                        kNotConfigured);
        }
    }

    const Context& context_;
    const EditOptions& options_;
    std::string unit_;
    std::string file_;  ///< the unit's own
    SiteFile target_;
    bool changed_ = false;
    bool removed_ = false;
    bool reloaded_ = false;
};

}  // namespace

int run_edit(const Context& context, const EditOptions& options) {
    Editing editing(context, options);
    if (const auto done = editing.run(); !done) return report(context, done.error());
    editing.tell();
    return kOk;
}

}  // namespace jailsvc::ctl
