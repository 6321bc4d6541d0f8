#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/digest.hpp"
#include "base/fd.hpp"
#include "config/schema.hpp"
#include "ipc/messages.hpp"
#include "service/manager.hpp"

namespace jailsvc::engine {

/// The effective units that services were started as, kept by the keeper since. They are needed for
/// the services whose file is another by now, or gone: their policies go on.
class KeptUnits {
public:
    /// Reads one from the keeper's snapshot; `memfd` is sealed.
    void add(const ipc::Stored& stored, Fd memfd);

    /// The unit of the record, where it is kept.
    [[nodiscard]] std::shared_ptr<const config::Unit> find(const service::Record& record,
                                                           const config::Schema& schema) const;

    /// The units of the records that run as something else than what is loaded; the rest of what
    /// was added is let go. One that cannot be read any more is logged and left out.
    [[nodiscard]] service::Manager::StartedUnits take(const std::vector<service::Record>& records,
                                                      const service::Manager& loaded,
                                                      const config::Schema& schema);

private:
    std::map<std::pair<std::string, Digest>, std::string> texts_;  ///< by name and digest
};

}  // namespace jailsvc::engine
