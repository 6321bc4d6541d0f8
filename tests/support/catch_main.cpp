#define CATCH_CONFIG_MAIN
#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <string>

namespace {

/// Where $JAILSVC_TEST_REPORT names a file, a line goes there when a case begins and one when it
/// ends, at once: what is read there survives whatever the case does to the machine. Words:
/// tests/vm/README.md.
class Report : public Catch::TestEventListenerBase {
public:
    explicit Report(const Catch::ReporterConfig& config) : TestEventListenerBase(config) {
        const char* path = std::getenv("JAILSVC_TEST_REPORT");
        if (path != nullptr) fd_ = ::open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY);
    }
    ~Report() override {
        if (fd_ >= 0) ::close(fd_);
    }
    Report(const Report&) = delete;
    Report& operator=(const Report&) = delete;

    void testCaseStarting(const Catch::TestCaseInfo& info) override {
        skipped_.clear();
        say("begin " + info.name);
    }
    bool assertionEnded(const Catch::AssertionStats& stats) override {
        const auto& result = stats.assertionResult;
        if (result.getResultType() != Catch::ResultWas::Warning) return false;
        const std::string text = result.getMessage();
        if (skipped_.empty() && text.starts_with("skipped: ")) skipped_ = text;
        return false;
    }
    void testCaseEnded(const Catch::TestCaseStats& stats) override {
        const std::string& name = stats.testInfo.name;
        const auto& checks = stats.totals.assertions;
        if (!checks.allOk()) return say("failed " + name);
        if (skipped_.empty()) return say("held " + name);
        // Where something was checked all the same, a part of the case was left out.
        say((checks.passed > 0 ? "partly " : "skipped ") + name + "\t" + skipped_.substr(9));
    }

private:
    void say(std::string line) const {
        if (fd_ < 0) return;
        for (char& c : line) {
            if (c == '\n') c = ' ';
        }
        line += '\n';
        (void)!::write(fd_, line.data(), line.size());
    }

    int fd_ = -1;
    std::string skipped_;
};
CATCH_REGISTER_LISTENER(Report)

}  // namespace
