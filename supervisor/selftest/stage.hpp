#pragma once

#include <string>
#include <vector>

#include "base/fd.hpp"
#include "selftest/cases.hpp"
#include "selftest/site.hpp"

namespace jailsvc::selftest {

/// What came of one case in one profile.
struct Try {
    enum class Outcome { kHeld, kEscaped, kSkipped };
    const Case* what = nullptr;
    std::string profile;
    Outcome outcome = Outcome::kSkipped;
    std::string why;  ///< what the attacker said, or why it was not tried
};

/// What the cases need on the host: a file, a key, a socket, a set-user-ID program, a descriptor
/// left open; all of it gone at the end. Makes this process leave its session keyring.
///
/// In words: @OPEN@ is a directory that jails see, with the attacker in it; @DIR@ the one above,
/// which only the host writes; @MARKER@ a file that no jail sees; @CAGE@ a directory to chroot to;
/// @KEY@ a key's serial; @SOCKET@ an abstract socket's name; @DESCRIPTOR@ of the directory `/`.
class Stage {
public:
    explicit Stage(const std::string& attacker);
    ~Stage();
    Stage(const Stage&) = delete;
    Stage& operator=(const Stage&) = delete;

    /// The control, and then each of the profiles.
    [[nodiscard]] std::vector<Try> attempt(const Case& what, const std::vector<Profile>& profiles);

private:
    void plant();
    [[nodiscard]] std::string filled(std::string text) const;
    [[nodiscard]] std::vector<std::string> words(const std::string& trick) const;
    [[nodiscard]] std::string say_in(const std::string& jail, const std::string& trick);
    [[nodiscard]] std::string say_beside(const std::string& trick) const;
    [[nodiscard]] std::string control(const Case& what);
    [[nodiscard]] Try attempt_in(const Case& what, const Profile& profile);

    Site site_;
    std::string open_, program_, marker_, socket_name_;
    Fd root_, listener_;
    long key_ = 0;
};

}  // namespace jailsvc::selftest
