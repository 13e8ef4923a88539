// What was done to the bottles: which effects of which job are in force, and which container is each bottle's.
// Kept in memory and, if there is a file, written to it before it counts; a killed process loses nothing of it, a
// power cut may. Not here: what an effect means.
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>

namespace rebottle::worker::null {

class Bottles {
 public:
  // An empty path: memory only. Throws std::system_error if the file cannot be read and rewritten.
  explicit Bottles(std::filesystem::path file);
  Bottles(const Bottles&) = delete;
  Bottles& operator=(const Bottles&) = delete;
  ~Bottles();

  [[nodiscard]] bool in_force(const std::string& bottle, const std::string& job, const std::string& effect) const;
  [[nodiscard]] std::string container(const std::string& bottle) const;  // its id

  // All three throw std::system_error if the file cannot be written; then nothing has changed.
  void set(const std::string& bottle, const std::string& job, const std::string& effect, bool in_force);
  void place(const std::string& bottle, const std::string& container);  // it is the bottle's now
  void forget(const std::string& bottle, const std::string& job);       // what the job did needs no undoing any more

 private:
  struct Bottle {
    std::string container;
    std::map<std::string, std::set<std::string>> in_force;  // by job
  };
  void read();
  void rewrite();
  void take(const std::string& line);
  void append(const std::string& line);

  std::filesystem::path file_;
  int descriptor_ = -1;
  std::map<std::string, Bottle> bottles_;
};

}  // namespace rebottle::worker::null
