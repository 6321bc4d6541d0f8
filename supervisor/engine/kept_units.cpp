#include "engine/kept_units.hpp"

#include <spdlog/spdlog.h>

#include <array>

#include "base/sys.hpp"
#include "config/load.hpp"
#include "ipc/channel.hpp"

namespace jailsvc::engine {

void KeptUnits::add(const ipc::Stored& stored, Fd memfd) {
    auto text = sys::read_memfd(memfd.get());
    if (!text) return spdlog::error("{}: kept unit: {}", stored.unit, text.error().message);
    const Digest digest = config::digest_of_unit(*text);
    texts_.insert_or_assign({std::string(ipc::get_text(stored.unit)), digest}, std::move(*text));
}

std::shared_ptr<const config::Unit> KeptUnits::find(const service::Record& record,
                                                    const config::Schema& schema) const {
    const std::string name(ipc::get_text(record.unit));
    const auto text = texts_.find({name, std::to_array(record.digest)});
    if (text == texts_.end()) return nullptr;
    auto unit = config::parse_effective(schema, name, text->second);
    if (unit) return std::make_shared<const config::Unit>(std::move(*unit));
    spdlog::error("{}: the unit as it was started: {}", name,
                  config::to_string(unit.error().front()));
    return nullptr;
}

service::Manager::StartedUnits KeptUnits::take(const std::vector<service::Record>& records,
                                               const service::Manager& loaded,
                                               const config::Schema& schema) {
    service::Manager::StartedUnits started;
    for (const service::Record& record : records) {
        const std::string name(ipc::get_text(record.unit));
        const config::Unit* known = loaded.find(name);
        if (known != nullptr && known->digest == std::to_array(record.digest)) continue;
        if (auto unit = find(record, schema)) started.push_back(std::move(unit));
    }
    texts_.clear();
    return started;
}

}  // namespace jailsvc::engine
