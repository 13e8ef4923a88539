// OpenSSL's. Not here: what is hashed.
#include "worker/backends/sha256.hpp"

#include <array>
#include <string_view>

#include <openssl/evp.h>

namespace rebottle::worker {

Sha256::Sha256() : context_(EVP_MD_CTX_new()) { EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr); }

void Sha256::Free::operator()(evp_md_ctx_st* context) const { EVP_MD_CTX_free(context); }

void Sha256::add(const void* bytes, std::size_t size) { EVP_DigestUpdate(context_.get(), bytes, size); }

std::string Sha256::hex() {
  static constexpr std::string_view digits = "0123456789abcdef";
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  EVP_DigestFinal_ex(context_.get(), digest.data(), &size);
  std::string out;
  for (unsigned int i = 0; i < size; ++i) {
    out += digits[digest[i] >> 4U];
    out += digits[digest[i] & 15U];
  }
  return out;
}

}  // namespace rebottle::worker
