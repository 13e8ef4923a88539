// A SHA-256 of bytes that come piece by piece. Not here: of a whole text (text.hpp).
#pragma once

#include <cstddef>
#include <memory>
#include <string>

struct evp_md_ctx_st;

namespace rebottle::worker {

class Sha256 {
 public:
  Sha256();
  void add(const void* bytes, std::size_t size);
  [[nodiscard]] std::string hex();  // of all that was added; once

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

}  // namespace rebottle::worker
