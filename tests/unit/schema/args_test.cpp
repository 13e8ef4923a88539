// The strict parser: what it reads, and everything it refuses, each with the full path of the field.
// Not here: what the database itself refuses (producer_guards_test.cpp).
#include "schema/args.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rebottle::schema {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Args parsed(const std::string& json) {
  auto result = parse_args(json);
  if (const auto* error = std::get_if<ArgsError>(&result))
    throw std::runtime_error(error->field + ": " + error->message);
  return std::get<Args>(std::move(result));
}

ArgsError error_of(const std::string& json) {
  auto result = parse_args(json);
  if (auto* error = std::get_if<ArgsError>(&result)) return std::move(*error);
  return {"", "accepted"};
}

const std::string dockerfile = R"("change":{"dockerfile":"FROM current"})";

TEST(Args, ReadsADockerfileAndLeavesTheRestAtItsDefaults) {
  const auto args = parsed("{" + dockerfile + "}");
  EXPECT_EQ(std::get<Args::Dockerfile>(args.change).text, "FROM current");
  EXPECT_EQ(change_word(args), "dockerfile");
  EXPECT_EQ(args.expect.target_id, std::nullopt);
  EXPECT_THAT(args.snapshot.paths, IsEmpty());
  EXPECT_TRUE(args.snapshot.restore);
  EXPECT_EQ(args.snapshot.max_bytes, std::nullopt);
  EXPECT_THAT(args.verify.exec, IsEmpty());
  EXPECT_EQ(args.limits.max_downtime_s, std::nullopt);
}

TEST(Args, ReadsEveryField) {
  const std::string digest(64, 'a');
  const auto args = parsed(R"({"change":{"commands":["apk add jq","echo 'ø' > /tmp/x"]},)"
                           R"("expect":{"target_id":"t","image_digest":"d","change_sha256":")" +
                           digest +
                           R"("},)"
                           R"("snapshot":{"paths":["/home/agent","/etc/x.conf"],"restore":false,"max_bytes":1024},)"
                           R"("verify":{"exec":["sh","-c","true"],"stable_s":0,"timeout_s":60},)"
                           R"("limits":{"stop_timeout_s":0,"build_timeout_s":600,"max_downtime_s":300}})");
  EXPECT_THAT(std::get<Args::Commands>(args.change).lines, ElementsAre("apk add jq", "echo 'ø' > /tmp/x"));
  EXPECT_EQ(change_word(args), "commands");
  EXPECT_EQ(args.expect.target_id, "t");
  EXPECT_EQ(args.expect.image_digest, "d");
  EXPECT_EQ(args.expect.change_sha256, digest);
  EXPECT_THAT(args.snapshot.paths, ElementsAre("/home/agent", "/etc/x.conf"));
  EXPECT_FALSE(args.snapshot.restore);
  EXPECT_EQ(args.snapshot.max_bytes, 1024);
  EXPECT_THAT(args.verify.exec, ElementsAre("sh", "-c", "true"));
  EXPECT_EQ(args.verify.stable_s, 0);
  EXPECT_EQ(args.verify.timeout_s, 60);
  EXPECT_EQ(args.limits.stop_timeout_s, 0);
  EXPECT_EQ(args.limits.build_timeout_s, 600);
  EXPECT_EQ(args.limits.max_downtime_s, 300);
}

TEST(Args, ReadsBothKindsOfImage) {
  const auto reference = parsed(R"({"change":{"image":"registry.example:5000/team/agent:1.2"}})");
  EXPECT_EQ(std::get<Args::Image>(reference.change).reference, "registry.example:5000/team/agent:1.2");
  EXPECT_EQ(change_word(reference), "image");
  const auto file =
      parsed(R"({"change":{"image":{"file":"new/agent.tar","sha256":")" + std::string(64, 'b') + R"("}}})");
  EXPECT_EQ(std::get<Args::ImageFile>(file.change).file, "new/agent.tar");
  EXPECT_EQ(std::get<Args::ImageFile>(file.change).sha256, std::string(64, 'b'));
  EXPECT_EQ(change_word(file), "image_file");
}

TEST(Args, KnowsImageReferencesFromOtherTexts) {
  const std::string hex(64, 'c');
  for (const auto& good : {std::string("busybox"), std::string("busybox:1.36"), std::string("localhost/a"),
                           std::string("localhost:5000/a"), std::string("a/b/c"), std::string("a__b/c-d.e:T_1"),
                           "a@sha256:" + hex, "a:tag@sha256:" + hex, "sha256:" + hex, std::string("Registry.io/a")})
    EXPECT_EQ(error_of(R"({"change":{"image":")" + good + R"("}})").message, "accepted") << good;
  for (const auto& bad :
       {std::string("Busybox"), std::string("-a"), std::string("a b"), std::string("a:"), std::string("a:-x"),
        std::string("/a"), std::string("a/"), std::string("a//b"), std::string("../a"), std::string("http://a/b"),
        std::string("a@sha256:xyz"), std::string("a@sha256:"), "sha256:" + hex.substr(1), std::string("a\\u001bb"),
        std::string(600, 'a'), "a:" + std::string(129, 't'), std::string("a:b:c")})
    EXPECT_EQ(error_of(R"({"change":{"image":")" + bad + R"("}})").field, "args.change.image") << bad;
}

// The values are those of Python's
// hashlib.sha256(json.dumps(change, sort_keys=True, separators=(',', ':'), ensure_ascii=False).encode()).hexdigest().
TEST(Args, HashesTheChangeAsPythonDoes) {
  const std::vector<std::pair<std::string, std::string>> known{
      {R"({"dockerfile": "FROM current\nRUN apk add jq\n"})",
       "5428543f395a96b045f4d72f6fcf31de0560cf86156aacd82f8a70110fd6bd5a"},
      {R"({"image": {"sha256": "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc", "file": "a/b.tar"}})",
       "47ac9725aeb11f6e3002e011dd55e1e2af77e00cbd299605d3c2a4f46647a3e7"},
      {R"({"commands": ["echo \"hi\" \\ \t", "\u00f8\u20ac\ud83d\ude00\u007f\u2028", "a\b\f\u0001\u001f/"]})",
       "4f721e3fe257f4510b2ad8c1995df83b81ca74d574c6ba6e3b3338ebf047d197"},
      {R"({"image": "busybox:1.36"})", "2dd6bc17713cfbdf6199d6b9fcda6b57426dd2e539a2ec3ffa8698016ce41eb0"},
  };
  for (const auto& [change, sha256] : known)
    EXPECT_EQ(parsed(R"({"limits":{},"change":)" + change + "}").change_sha256, sha256) << change;
}

struct BadArgs {
  std::string json;
  std::string field;
  std::string message;
};

TEST(Args, RefusesWithThePathOfTheField) {
  const std::string deep = std::string(40, '[') + std::string(40, ']');
  const auto with = [](const std::string& more) { return "{" + dockerfile + "," + more + "}"; };
  const std::vector<BadArgs> all{
      {"", "args", "is not valid JSON"},
      {"{", "args", "is not valid JSON"},
      {"[]", "args", "is not an object"},
      {"1", "args", "is not an object"},
      {"null", "args", "is not an object"},
      {"{" + dockerfile + "} x", "args", "is not valid JSON"},
      {"{" + dockerfile + "}{}", "args", "is not valid JSON"},
      {"{" + dockerfile + ",}", "args", "is not valid JSON"},
      {"/* no */ {" + dockerfile + "}", "args", "is not valid JSON"},
      {"{" + dockerfile + "}" + std::string(1, '\0'), "args", "contains a NUL character"},
      {R"({"change":{"dockerfile":"a\u0000b"}})", "args.change.dockerfile", "contains a NUL character"},
      {R"({"change":{"docker\u0000file":"a"}})", "args.change", "contains a key with a NUL"},
      {"{\"change\":{\"dockerfile\":\"\xff\"}}", "args.change.dockerfile", "is not valid JSON"},
      {"{\"change\":{\"dockerfile\":\"\xc0\xaf\"}}", "args.change.dockerfile", "is not valid JSON"},
      {R"({"change":{"dockerfile":"\ud800"}})", "args.change.dockerfile", "is not valid JSON"},
      {R"({"change":{"dockerfile":"a"},"change":{"dockerfile":"b"}})", "args.change", "stands twice"},
      {R"({"change":{"dockerfile":"a","dockerfile":"a"}})", "args.change.dockerfile", "stands twice"},
      {R"({"change":{"dockerfile":"a","dockerfil\u0065":"b"}})", "args.change.dockerfile", "stands twice"},
      {R"({"change":{"commands":["a",{"x":1,"x":2}]}})", "args.change.commands[1].x", "stands twice"},
      {R"({"change":{"commands":)" + deep + "}}",
       "args.change.commands" +
           [] {
             std::string path;
             for (int level = 0; level < 30; ++level) path += "[0]";
             return path;
           }(),
       "is nested deeper than 32 levels"},
      {"{}", "args.change", "is missing"},
      {R"({"chang":{}})", "args.chang", "is an unknown key; allowed are change, expect, snapshot, verify, limits"},
      {with(R"("e\u001bvil":1)"), R"(args.e\x1bvil)", "is an unknown key"},
      {with("\"" + std::string(100, 'k') + "\":1"), "args." + std::string(40, 'k') + "…", "is an unknown key"},
      {R"({"change":[]})", "args.change", "is not an object"},
      {R"({"change":{}})", "args.change", "holds 0 changes"},
      {R"({"change":{"dockerfile":"a","image":"b"}})", "args.change", "holds 2 changes"},
      {R"({"change":{"patch":"a"}})", "args.change.patch", "is an unknown key"},
      {R"({"change":{"dockerfile":1}})", "args.change.dockerfile", "is not a text"},
      {R"({"change":{"dockerfile":" \n"}})", "args.change.dockerfile", "is empty"},
      {R"({"change":{"image":1}})", "args.change.image", "is neither a reference nor"},
      {R"({"change":{"image":null}})", "args.change.image", "is neither a reference nor"},
      {R"({"change":{"image":{}}})", "args.change.image.file", "is missing"},
      {R"({"change":{"image":{"file":"a"}}})", "args.change.image.sha256", "is missing"},
      {R"({"change":{"image":{"file":"a","sha256":"b"}}})", "args.change.image.sha256", "is not 64"},
      {R"({"change":{"image":{"file":"a","sha256":")" + std::string(64, 'A') + R"("}}})", "args.change.image.sha256",
       "is not 64"},
      {R"({"change":{"image":{"file":"/a","sha256":")" + std::string(64, 'a') + R"("}}})", "args.change.image.file",
       "is not a plain"},
      {R"({"change":{"image":{"file":"../a","sha256":")" + std::string(64, 'a') + R"("}}})", "args.change.image.file",
       "is not a plain"},
      {R"({"change":{"image":{"file":"a/../b","sha256":")" + std::string(64, 'a') + R"("}}})", "args.change.image.file",
       "is not a plain"},
      {R"({"change":{"image":{"file":"a/./b","sha256":")" + std::string(64, 'a') + R"("}}})", "args.change.image.file",
       "is not a plain"},
      {R"({"change":{"image":{"file":"a\nb","sha256":")" + std::string(64, 'a') + R"("}}})", "args.change.image.file",
       "is not a plain"},
      {R"({"change":{"image":{"file":"a","sha256":"b","url":"c"}}})", "args.change.image.url", "is an unknown key"},
      {R"({"change":{"commands":"ls"}})", "args.change.commands", "is not an array"},
      {R"({"change":{"commands":[]}})", "args.change.commands", "is empty"},
      {R"({"change":{"commands":["ls",""]}})", "args.change.commands[1]", "is empty"},
      {R"({"change":{"commands":["ls",["rm"]]}})", "args.change.commands[1]", "is not a text"},
      {R"({"change":{"commands":["a\nb"]}})", "args.change.commands[0]", "contains a line break"},
      {with(R"("expect":1)"), "args.expect", "is not an object"},
      {with(R"("expect":{"id":"x"})"), "args.expect.id", "is an unknown key"},
      {with(R"("expect":{"target_id":null})"), "args.expect.target_id", "is not a text"},
      {with(R"("expect":{"image_digest":""})"), "args.expect.image_digest", "is empty"},
      {with(R"("expect":{"change_sha256":"x"})"), "args.expect.change_sha256", "is not 64"},
      {with(R"("snapshot":{"path":"/a"})"), "args.snapshot.path", "is an unknown key"},
      {with(R"("snapshot":{"paths":"/a"})"), "args.snapshot.paths", "is not an array"},
      {with(R"("snapshot":{"paths":["/a",1]})"), "args.snapshot.paths[1]", "is not a text"},
      {with(R"("snapshot":{"paths":["/"]})"), "args.snapshot.paths[0]", "is the root"},
      {with(R"("snapshot":{"paths":["a"]})"), "args.snapshot.paths[0]", "is not an absolute path"},
      {with(R"("snapshot":{"paths":["/a/"]})"), "args.snapshot.paths[0]", "is not an absolute path"},
      {with(R"("snapshot":{"paths":["//a"]})"), "args.snapshot.paths[0]", "is not an absolute path"},
      {with(R"("snapshot":{"paths":["/a/../b"]})"), "args.snapshot.paths[0]", "is not an absolute path"},
      {with(R"("snapshot":{"paths":["/a/./b"]})"), "args.snapshot.paths[0]", "is not an absolute path"},
      {with(R"("snapshot":{"paths":["/a\u001b"]})"), "args.snapshot.paths[0]", "is not an absolute path"},
      {with(R"("snapshot":{"restore":1})"), "args.snapshot.restore", "is neither true nor false"},
      {with(R"("snapshot":{"max_bytes":0})"), "args.snapshot.max_bytes", "is not between"},
      {with(R"("snapshot":{"max_bytes":18446744073709551615})"), "args.snapshot.max_bytes", "is not between"},
      {with(R"("snapshot":{"max_bytes":1e3})"), "args.snapshot.max_bytes", "is not an integer"},
      {with(R"("verify":{"exec":"true"})"), "args.verify.exec", "is not an array"},
      {with(R"("verify":{"exec":[]})"), "args.verify.exec", "is empty"},
      {with(R"("verify":{"exec":[1]})"), "args.verify.exec[0]", "is not a text"},
      {with(R"("verify":{"stable_s":-1})"), "args.verify.stable_s", "is not between 0 and 3600"},
      {with(R"("verify":{"timeout_s":0})"), "args.verify.timeout_s", "is not between 1 and 86400"},
      {with(R"("verify":{"timeout_s":"60"})"), "args.verify.timeout_s", "is not an integer"},
      {with(R"("limits":{"stop_timeout_s":3601})"), "args.limits.stop_timeout_s", "is not between 0 and 3600"},
      {with(R"("limits":{"build_timeout_s":true})"), "args.limits.build_timeout_s", "is not an integer"},
      {with(R"("limits":{"max_downtime_s":99999999999999999999})"), "args.limits.max_downtime_s", "is not an integer"},
      {with(R"("limits":{"downtime":1})"), "args.limits.downtime", "is an unknown key"},
      {"{\"change\":{\"dockerfile\":\"" + std::string(args_bytes_max, 'x') + "\"}}", "args",
       "is longer than 1048576 bytes"},
  };
  for (const auto& bad : all) {
    const auto error = error_of(bad.json);
    EXPECT_EQ(error.field, bad.field) << bad.json.substr(0, 200);
    EXPECT_THAT(error.message, HasSubstr(bad.message)) << bad.json.substr(0, 200);
  }
}

TEST(Args, RefusesTooManyEntries) {
  std::string lines = R"("true")";
  for (int n = 0; n < 256; ++n) lines += R"(,"true")";
  EXPECT_EQ(error_of(R"({"change":{"commands":[)" + lines + "]}}").message, "has more than 256 entries; shorten it");
}

TEST(Args, DepthIsCountedNotAdded) {
  // Many containers beside each other are no depth.
  std::string lines;
  for (int n = 0; n < 100; ++n) lines += "[],";
  EXPECT_EQ(error_of(R"({"change":{"commands":[)" + lines + R"("x"]}})").field, "args.change.commands[0]");
}

}  // namespace
}  // namespace rebottle::schema
