// What the database refuses from producers, whatever settings their connection has; and what it accepts.
// Not here: the service's own tables (service_guards_test.cpp), the strict parser (args_test.cpp).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "fixtures.hpp"

namespace rebottle::schema {
namespace {

using ::testing::ElementsAre;
using testing::Folder;
using testing::Foreign;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

// The settings with which a foreign connection may try its luck.
const std::vector<std::string> pragmas{
    "",
    "PRAGMA recursive_triggers = ON",
    "PRAGMA foreign_keys = OFF",
    "PRAGMA ignore_check_constraints = ON",
    "PRAGMA writable_schema = ON",
    "PRAGMA ignore_check_constraints = ON; PRAGMA recursive_triggers = ON; PRAGMA foreign_keys = ON",
};
const std::vector<std::string> verbs{"INSERT", "INSERT OR REPLACE", "INSERT OR IGNORE", "INSERT OR FAIL", "REPLACE"};

// SQL expressions by column; what stands here is a good row.
using Row = std::map<std::string, std::string>;

Row good_approval() {
  return {{"approval_id", "'prop-1'"},
          {"kind", "'capability_block'"},
          {"backend", "'docker'"},
          {"bottle", "'dev-fix-12'"},
          {"args", R"('{"change":{"dockerfile":"FROM current"}}')"},
          {"approved_by", "'alice'"}};
}

Row good_request() { return {{"kind", "'freeze'"}, {"args", R"('{"reason":"r"}')"}, {"requested_by", "'bob'"}}; }

std::string insert_of(const std::string& verb, const std::string& table, const Row& row) {
  std::string columns;
  std::string values;
  for (const auto& [column, value] : row) {
    columns += (columns.empty() ? "" : ", ") + column;
    values += (values.empty() ? "" : ", ") + value;
  }
  return verb + " INTO " + table + " (" + columns + ") VALUES (" + values + ")";
}

struct BadRow {
  std::string what;
  Row changes;          // over the good row; an empty expression takes the column out
  std::string message;  // how the refusal begins
};

std::string args(const std::string& json) { return "'" + json + "'"; }
std::string with_change(const std::string& more) {
  return args(R"({"change":{"dockerfile":"FROM current"},)" + more + "}");
}

std::vector<BadRow> bad_approvals() {
  std::vector<BadRow> rows{
      {"seconds", {{"scheduled_at", "1795424590"}}, "approvals.scheduled_at: looks like seconds"},
      {"microseconds", {{"scheduled_at", "1795424590000000"}}, "approvals.scheduled_at: is not a time"},
      {"negative time", {{"scheduled_at", "-1"}}, "approvals.scheduled_at: is not a time"},
      {"no time", {{"scheduled_at", "NULL"}}, "approvals.scheduled_at: is missing"},
      {"ISO time",
       {{"scheduled_at", "'2026-11-23T09:00:00Z'"}},
       "cannot store TEXT value in INTEGER column approvals.scheduled_at"},
      {"SQL time",
       {{"expires_at", "datetime('now')"}},
       "cannot store TEXT value in INTEGER column approvals.expires_at"},
      {"real time", {{"expires_at", "1795424590.5"}}, "cannot store REAL value in INTEGER column approvals.expires_at"},
      {"text created_at", {{"created_at", "'now'"}}, "cannot store TEXT value in INTEGER column approvals.created_at"},
      {"created_at in seconds", {{"created_at", "1795424590"}}, "approvals.created_at: looks like seconds"},
      {"created_at zero", {{"created_at", "0"}}, "approvals.created_at: is not a time"},
      {"created_at null", {{"created_at", "NULL"}}, "approvals.created_at: is missing"},
      {"expiry in seconds", {{"expires_at", "1795424590"}}, "approvals.expires_at: looks like seconds"},
      {"expiry zero", {{"expires_at", "0"}}, "approvals.expires_at: is not a time"},
      {"expiry past", {{"expires_at", "1600000000000"}}, "approvals.expires_at: is not after created_at"},
      {"expiry before start",
       {{"expires_at", "4000000000000"}, {"scheduled_at", "4000000000001"}},
       "approvals.expires_at: is not after scheduled_at"},
      {"priority text", {{"priority", "'high'"}}, "cannot store TEXT value in INTEGER column approvals.priority"},
      {"priority huge", {{"priority", "1001"}}, "approvals.priority: is not between"},
      {"priority low", {{"priority", "-1001"}}, "approvals.priority: is not between"},
      {"priority null", {{"priority", "NULL"}}, "approvals.priority: is not between"},
      {"kind in capitals", {{"kind", "'Capability'"}}, "approvals.kind: is not a lower-case word"},
      {"backend with space", {{"backend", "'doc ker'"}}, "approvals.backend: is not a lower-case word"},
      {"backend begins with digit", {{"backend", "'1docker'"}}, "approvals.backend: is not a lower-case word"},
      {"backend path", {{"backend", "'../docker'"}}, "approvals.backend: is not a lower-case word"},
      {"bottle path", {{"bottle", "'a/b'"}}, "approvals.bottle: contains a slash"},
      {"bottle dots", {{"bottle", "'..'"}}, "approvals.bottle: begins with a dot or a dash"},
      {"bottle option", {{"bottle", "'--rm'"}}, "approvals.bottle: begins with a dot or a dash"},
      {"bottle space", {{"bottle", "'a b'"}}, "approvals.bottle: contains a space"},
      {"bottle unicode", {{"bottle", "'a' || char(8238) || 'b'"}}, "approvals.bottle: contains a space or a character"},
      {"bottle bad UTF-8", {{"bottle", "CAST(X'61ff' AS TEXT)"}}, "approvals.bottle: contains a space or a character"},
      {"approval_id with space", {{"approval_id", "'a b'"}}, "approvals.approval_id: contains a space"},
      {"justification NUL", {{"justification", "'a' || char(0) || 'b'"}}, "approvals.justification: contains a NUL"},
      {"justification long", {{"justification", "printf('%.*c', 65537, 'x')"}}, "approvals.justification: is longer"},
      {"justification null", {{"justification", "NULL"}}, "approvals.justification: is missing"},
      {"meta array", {{"meta", "'[]'"}}, "approvals.meta: is not a JSON object"},
      {"meta broken", {{"meta", "'{'"}}, "approvals.meta: is not valid JSON"},
      {"meta empty", {{"meta", "''"}}, "approvals.meta: is empty"},
      {"meta NUL", {{"meta", "'{}' || char(0)"}}, "approvals.meta: contains a NUL"},
      {"meta long", {{"meta", R"('{"a":"' || printf('%.*c', 65536, 'x') || '"}')"}}, "approvals.meta: is longer"},
      {"meta null", {{"meta", "NULL"}}, "approvals.meta: is missing"},
      {"meta blob", {{"meta", "X'7b7d'"}}, "cannot store BLOB value in TEXT column approvals.meta"},
      {"args blob", {{"args", "CAST('{}' AS BLOB)"}}, "cannot store BLOB value in TEXT column approvals.args"},
      {"args empty", {{"args", "''"}}, "approvals.args: is empty"},
      {"args null", {{"args", "NULL"}}, "approvals.args: is missing"},
      {"args broken", {{"args", args(R"({"change":)")}}, "approvals.args: is not valid JSON"},
      {"args single quotes", {{"args", R"('{''change'':1}')"}}, "approvals.args: is not valid JSON"},
      {"args trailing", {{"args", args(R"({"change":{"dockerfile":"F"}} x)")}}, "approvals.args: is not valid JSON"},
      {"args array", {{"args", "'[]'"}}, "approvals.args: is not a JSON object"},
      {"args text", {{"args", R"('"x"')"}}, "approvals.args: is not a JSON object"},
      {"args number", {{"args", "1"}}, "approvals.args: is not a JSON object"},
      {"args NUL tail",
       {{"args", R"('{"change":{"dockerfile":"F"}}' || char(0) || 'junk')"}},
       "approvals.args: contains a NUL"},
      {"args over a megabyte",
       {{"args", R"('{"change":{"dockerfile":"' || printf('%.*c', 1200000, 'x') || '"}}')"}},
       "approvals.args: is longer"},
      {"args just too long",
       {{"args", R"('{"change":{"dockerfile":"' || printf('%.*c', 1048576 - 27, 'x') || '"}}')"}},
       "approvals.args: is longer"},
      {"unknown key", {{"args", with_change(R"("chagne":{})")}}, "approvals.args: contains an unknown key"},
      {"no change", {{"args", "'{}'"}}, "approvals.args.change: is missing"},
      {"change null", {{"args", args(R"({"change":null})")}}, "approvals.args.change: is not a JSON object"},
      {"change text", {{"args", args(R"({"change":"FROM x"})")}}, "approvals.args.change: is not a JSON object"},
      {"no change in it", {{"args", args(R"({"change":{}})")}}, "approvals.args.change: does not hold exactly one"},
      {"two changes",
       {{"args", args(R"({"change":{"dockerfile":"F","image":"i"}})")}},
       "approvals.args.change: does not hold exactly one"},
      {"same change twice",
       {{"args", args(R"({"change":{"dockerfile":"F","dockerfile":"G"}})")}},
       "approvals.args.change: does not hold exactly one"},
      {"unknown change",
       {{"args", args(R"({"change":{"patch":"F"}})")}},
       "approvals.args.change: contains an unknown key"},
      {"dockerfile number",
       {{"args", args(R"({"change":{"dockerfile":1}})")}},
       "approvals.args.change.dockerfile: is not a text"},
      {"dockerfile blank",
       {{"args", args(R"({"change":{"dockerfile":" \n\t"}})")}},
       "approvals.args.change.dockerfile: is empty"},
      {"image array",
       {{"args", args(R"({"change":{"image":[]}})")}},
       "approvals.args.change.image: is not a reference"},
      {"image empty", {{"args", args(R"({"change":{"image":""}})")}}, "approvals.args.change.image: is empty"},
      {"image half",
       {{"args", args(R"({"change":{"image":{"file":"a"}}})")}},
       "approvals.args.change.image: is not {file, sha256}"},
      {"image more",
       {{"args", args(R"({"change":{"image":{"file":"a","sha256":"b","x":1}}})")}},
       "approvals.args.change.image: is not {file, sha256}"},
      {"image wrong type",
       {{"args", args(R"({"change":{"image":{"file":"a","sha256":1}}})")}},
       "approvals.args.change.image: is not {file, sha256}"},
      {"commands text",
       {{"args", args(R"({"change":{"commands":"ls"}})")}},
       "approvals.args.change.commands: is not an array"},
      {"commands empty", {{"args", args(R"({"change":{"commands":[]}})")}}, "approvals.args.change.commands: is empty"},
      {"commands empty line",
       {{"args", args(R"({"change":{"commands":[""]}})")}},
       "approvals.args.change.commands: contains something else"},
      {"commands number",
       {{"args", args(R"({"change":{"commands":["ls",1]}})")}},
       "approvals.args.change.commands: contains something else"},
      {"expect text", {{"args", with_change(R"("expect":"x")")}}, "approvals.args.expect: is not a JSON object"},
      {"expect key",
       {{"args", with_change(R"("expect":{"target":"x"})")}},
       "approvals.args.expect: contains an unknown key"},
      {"expect type",
       {{"args", with_change(R"("expect":{"target_id":1})")}},
       "approvals.args.expect.target_id: is not a text"},
      {"snapshot array", {{"args", with_change(R"("snapshot":[])")}}, "approvals.args.snapshot: is not a JSON object"},
      {"snapshot key",
       {{"args", with_change(R"("snapshot":{"path":[]})")}},
       "approvals.args.snapshot: contains an unknown key"},
      {"paths text",
       {{"args", with_change(R"("snapshot":{"paths":"/a"})")}},
       "approvals.args.snapshot.paths: is not an array"},
      {"path number",
       {{"args", with_change(R"("snapshot":{"paths":[1]})")}},
       "approvals.args.snapshot.paths: contains something else"},
      {"path relative",
       {{"args", with_change(R"("snapshot":{"paths":["a"]})")}},
       "approvals.args.snapshot.paths: contains a path"},
      {"path root",
       {{"args", with_change(R"("snapshot":{"paths":["/"]})")}},
       "approvals.args.snapshot.paths: contains a path"},
      {"restore text",
       {{"args", with_change(R"("snapshot":{"restore":"yes"})")}},
       "approvals.args.snapshot.restore: is not true or false"},
      {"max_bytes text",
       {{"args", with_change(R"("snapshot":{"max_bytes":"1G"})")}},
       "approvals.args.snapshot.max_bytes: is not an integer"},
      {"max_bytes negative",
       {{"args", with_change(R"("snapshot":{"max_bytes":-1})")}},
       "approvals.args.snapshot.max_bytes: is negative"},
      {"verify key",
       {{"args", with_change(R"("verify":{"cmd":["a"]})")}},
       "approvals.args.verify: contains an unknown key"},
      {"exec text",
       {{"args", with_change(R"("verify":{"exec":"true"})")}},
       "approvals.args.verify.exec: is not an array"},
      {"exec number",
       {{"args", with_change(R"("verify":{"exec":[true]})")}},
       "approvals.args.verify.exec: contains something else"},
      {"stable real",
       {{"args", with_change(R"("verify":{"stable_s":1.5})")}},
       "approvals.args.verify.stable_s: is not an integer"},
      {"timeout negative",
       {{"args", with_change(R"("verify":{"timeout_s":-1})")}},
       "approvals.args.verify.timeout_s: is negative"},
      {"limits key",
       {{"args", with_change(R"("limits":{"downtime":1})")}},
       "approvals.args.limits: contains an unknown key"},
      {"limits type",
       {{"args", with_change(R"("limits":{"max_downtime_s":"1"})")}},
       "approvals.args.limits.max_downtime_s: is not an integer"},
      {"limits null", {{"args", with_change(R"("limits":null)")}}, "approvals.args.limits: is not a JSON object"},
  };
  for (const std::string column : {"approval_id", "kind", "backend", "bottle", "approved_by"}) {
    rows.push_back({column + " missing", {{column, ""}}, "approvals." + column + ": is missing"});
    rows.push_back({column + " null", {{column, "NULL"}}, "approvals." + column + ": is missing"});
    rows.push_back({column + " empty", {{column, "''"}}, "approvals." + column + ": is empty"});
    rows.push_back(
        {column + " blob", {{column, "X'6161'"}}, "cannot store BLOB value in TEXT column approvals." + column});
    rows.push_back({column + " NUL", {{column, "'a' || char(0) || 'b'"}}, "approvals." + column + ": contains a NUL"});
    rows.push_back({column + " lone NUL", {{column, "char(0)"}}, "approvals." + column + ": contains a NUL"});
    rows.push_back({column + " long", {{column, "printf('%.*c', 256, 'x')"}}, "approvals." + column + ": is longer"});
    rows.push_back(
        {column + " newline", {{column, "'a' || char(10)"}}, "approvals." + column + ": contains a control"});
    rows.push_back(
        {column + " escape", {{column, "'a' || char(27) || '[2J'"}}, "approvals." + column + ": contains a control"});
  }
  rows.push_back(
      {"approved_by C1", {{"approved_by", "'a' || char(155) || 'b'"}}, "approvals.approved_by: contains a control"});
  return rows;
}

std::vector<BadRow> bad_requests() {
  const auto plan = [](const std::string& json) {
    return Row{{"kind", "'plan'"}, {"backend", "'docker'"}, {"bottle", "'b'"}, {"args", args(json)}};
  };
  const auto about_job = [](const std::string& kind, const std::string& json) {
    return Row{{"kind", "'" + kind + "'"}, {"job_id", "1"}, {"args", args(json)}};
  };
  return {
      {"kind", {{"kind", "'restart'"}}, "requests.kind: is none of"},
      {"kind null", {{"kind", "NULL"}}, "requests.kind: is none of"},
      {"kind missing", {{"kind", ""}}, "requests.kind: is none of"},
      {"explicit id", {{"request_id", "7"}}, "requests.request_id: is given by the database"},
      {"outcome", {{"outcome", "'done'"}}, "requests.outcome: and message"},
      {"message", {{"message", "''"}}, "requests.outcome: and message"},
      {"answer", {{"answer", "'{}'"}}, "requests.outcome: and message"},
      {"answered_at", {{"answered_at", "1"}}, "requests.outcome: and message"},
      {"nobody", {{"requested_by", ""}}, "requests.requested_by: is missing"},
      {"nobody's name", {{"requested_by", "''"}}, "requests.requested_by: is empty"},
      {"name NUL", {{"requested_by", "'a' || char(0)"}}, "requests.requested_by: contains a NUL"},
      {"name control", {{"requested_by", "char(13)"}}, "requests.requested_by: contains a control"},
      {"name long", {{"requested_by", "printf('%.*c', 201, 'x')"}}, "requests.requested_by: is longer"},
      {"created_at", {{"created_at", "1795424590"}}, "requests.created_at: looks like seconds"},
      {"created_at text", {{"created_at", "'today'"}}, "cannot store TEXT value in INTEGER column requests.created_at"},
      {"args broken", {{"args", "'{'"}}, "requests.args: is not valid JSON"},
      {"args array", {{"args", "'[]'"}}, "requests.args: is not a JSON object"},
      {"args null", {{"args", "NULL"}}, "requests.args: is missing"},
      {"args NUL", {{"args", R"('{"reason":"r"}' || char(0))"}}, "requests.args: contains a NUL"},
      {"args over a megabyte",
       {{"args", R"('{"reason":"' || printf('%.*c', 1200000, 'x') || '"}')"}},
       "requests.args: is longer"},
      {"backend null", {{"backend", "NULL"}}, "requests.backend: is missing"},
      {"backend word", {{"backend", "'Docker'"}}, "requests.backend: is not a lower-case word"},
      {"bottle slug", {{"backend", "'docker'"}, {"bottle", "'a/b'"}}, "requests.bottle: contains a slash"},
      {"bottle alone", {{"bottle", "'b'"}}, "requests.backend: is empty"},
      {"freeze of a job", {{"job_id", "1"}}, "requests.job_id: has no meaning here"},
      {"freeze without reason", {{"args", "'{}'"}}, "requests.args.reason: is missing or empty"},
      {"freeze blank reason", {{"args", R"('{"reason":" "}')"}}, "requests.args.reason: is missing or empty"},
      {"freeze reason type", {{"args", R"('{"reason":1}')"}}, "requests.args.reason: is not a text"},
      {"freeze key", {{"args", R"('{"reason":"r","until":1}')"}}, "requests.args: contains an unknown key"},
      {"freeze seconds",
       {{"args", R"('{"reason":"r","expires_at":1795424590}')"}},
       "requests.args.expires_at: looks like seconds"},
      {"freeze past",
       {{"args", R"('{"reason":"r","expires_at":1600000000000}')"}},
       "requests.args.expires_at: is not after"},
      {"freeze text",
       {{"args", R"('{"reason":"r","expires_at":"tomorrow"}')"}},
       "requests.args.expires_at: is not an integer"},
      {"freeze after the end of time",
       {{"args", R"('{"reason":"r","expires_at":18446744073709551615}')"}},
       "requests.args.expires_at: is not a time"},
      // The database's JSON takes the first of two keys, other programs' the last: nobody shall choose.
      {"reason twice", {{"args", R"('{"reason":"r","reason":5}')"}}, "requests.args.reason: is given twice"},
      {"reason escaped", about_job("cancel", R"({"re\u0061son":5})"), "requests.args.reason: is given twice"},
      {"reason twice, once escaped",
       {{"args", R"('{"reason":"r","re\u0061son":5}')"}},
       "requests.args.reason: is given twice"},
      {"expires_at twice",
       {{"args", R"('{"reason":"r","expires_at":4000000000000,"expires_at":1}')"}},
       "requests.args.expires_at: is given twice"},
      {"outcome twice", about_job("resolve", R"({"outcome":"changed","reason":"r","outcome":"abandoned"})"),
       "requests.args.outcome: is given twice"},
      {"plan twice", about_job("undo", R"({"plan":true,"plan":false})"), "requests.args.plan: is given twice"},
      {"plan's kind twice", plan(R"({"kind":"capability_block","kind":"x","args":{}})"),
       "requests.args.kind: is given twice"},
      {"plan's args twice", plan(R"({"kind":"capability_block","args":{},"args":{"x":1}})"),
       "requests.args.args: is given twice"},
      {"cancel nothing", {{"kind", "'cancel'"}, {"args", "'{}'"}}, "requests.job_id: is missing"},
      {"retry nothing", {{"kind", "'retry'"}, {"args", "'{}'"}}, "requests.job_id: is missing"},
      {"rollback nothing", {{"kind", "'rollback'"}, {"args", "'{}'"}}, "requests.job_id: is missing"},
      {"resolve nothing",
       {{"kind", "'resolve'"}, {"args", R"('{"outcome":"changed","reason":"r"}')"}},
       "requests.job_id: is missing"},
      {"cancel unknown",
       {{"kind", "'cancel'"}, {"job_id", "999"}, {"args", "'{}'"}},
       "requests.job_id: there is no such job"},
      {"job_id text",
       {{"kind", "'cancel'"}, {"job_id", "'one'"}, {"args", "'{}'"}},
       "cannot store TEXT value in INTEGER column requests.job_id"},
      {"cancel both",
       {{"kind", "'cancel'"}, {"job_id", "1"}, {"backend", "'docker'"}, {"args", "'{}'"}},
       "requests.bottle: and backend must be empty"},
      {"cancel key", about_job("cancel", R"({"force":true})"), "requests.args: contains an unknown key"},
      {"resolve bare", about_job("resolve", "{}"), "requests.args.reason: is missing"},
      {"resolve outcome", about_job("resolve", R"({"outcome":"fine","reason":"r"})"),
       "requests.args.outcome: is none of"},
      {"resolve no outcome", about_job("resolve", R"({"reason":"r"})"), "requests.args.outcome: is none of"},
      {"resolve key", about_job("resolve", R"({"outcome":"changed","reason":"r","x":1})"),
       "requests.args: contains an unknown key"},
      {"plan of nothing", {{"kind", "'plan'"}, {"args", "'{}'"}}, "requests.job_id: is missing"},
      {"plan bare", plan("{}"), "requests.args.kind: is missing"},
      {"plan kind type", plan(R"({"kind":1,"args":{}})"), "requests.args.kind: is missing"},
      {"plan no args", plan(R"({"kind":"capability_block"})"), "requests.args.args: is missing"},
      {"plan args type", plan(R"({"kind":"capability_block","args":[]})"), "requests.args.args: is missing"},
      {"plan key", plan(R"({"kind":"capability_block","args":{},"x":1})"), "requests.args: contains an unknown key"},
      {"plan job with args", about_job("plan", R"({"kind":"x","args":{}})"), "requests.args: contains an unknown key"},
  };
}

class ProducerGuards : public ::testing::Test {
 protected:
  void SetUp() override { (void)JobStore::open(folder_.database(), {}); }

  // Every bad row, under every setting and verb; each must be refused, and leave nothing behind.
  void expect_refused(const std::string& table, const Row& good, const std::vector<BadRow>& rows) {
    for (const auto& pragma : pragmas) {
      Foreign foreign(folder_.database());
      foreign.run(pragma);
      const auto before = foreign.values("SELECT count(*) FROM " + table + " UNION ALL SELECT count(*) FROM jobs");
      for (const auto& bad : rows) {
        auto row = good;
        for (const auto& [column, value] : bad.changes) row[column] = value;
        std::erase_if(row, [](const auto& entry) { return entry.second.empty(); });
        for (const auto& verb : verbs) {
          // All verbs with the default settings, the worst of them with each other one.
          if (!pragma.empty() && verb != "INSERT OR REPLACE") continue;
          SCOPED_TRACE(bad.what + ", " + verb + ", " + pragma);
          EXPECT_THAT(foreign.refusal(insert_of(verb, table, row)), StartsWith(bad.message));
        }
      }
      EXPECT_EQ(foreign.values("SELECT count(*) FROM " + table + " UNION ALL SELECT count(*) FROM jobs"), before);
    }
  }

  Folder folder_;
};

TEST_F(ProducerGuards, RefuseEveryBadApproval) { expect_refused("approvals", good_approval(), bad_approvals()); }

TEST_F(ProducerGuards, RefuseEveryBadRequest) {
  Foreign(folder_.database()).run(insert_of("INSERT", "approvals", good_approval()));
  expect_refused("requests", good_request(), bad_requests());
}

TEST_F(ProducerGuards, AcceptEveryKindOfGoodApproval) {
  const std::vector<Row> changes{
      {},
      {{"args",
        args(R"({"change":{"image":"registry.example:5000/a/b:1.2@sha256:)" + std::string(64, 'a') + R"("}})")}},
      {{"args", args(R"({"change":{"image":{"file":"a.tar","sha256":"x"}}})")}},
      {{"args", args(R"({"change":{"commands":["apk add jq","true"]}})")}},
      {{"args", with_change(R"("expect":{"target_id":"a","image_digest":"b","change_sha256":"c"},)"
                            R"("snapshot":{"paths":["/home/agent"],"restore":false,"max_bytes":1},)"
                            R"("verify":{"exec":["true"],"stable_s":0,"timeout_s":1},)"
                            R"("limits":{"stop_timeout_s":0,"build_timeout_s":1,"max_downtime_s":2})")}},
      {{"kind", "'another_kind'"}, {"args", R"('{"anything":1}')"}},
      {{"backend", "'no-such-backend'"}},
      {{"bottle", "printf('%.*c', 255, 'x')"}},
      {{"approved_by", "'Ærøskøbing O''Neill'"}},
      {{"priority", "-1000"}, {"scheduled_at", "4000000000000"}, {"expires_at", "4000000000001"}},
      {{"justification", "'line one' || char(10) || 'line two'"}, {"meta", R"('{"trace":"x"}')"}},
      {{"args", R"('{"change":{"dockerfile":"' || printf('%.*c', 1048576 - 28, 'x') || '"}}')"}},
  };
  Foreign foreign(folder_.database());
  for (std::size_t i = 0; i < changes.size(); ++i) {
    auto row = good_approval();
    for (const auto& [column, value] : changes[i]) row[column] = value;
    row["approval_id"] = "'good-" + std::to_string(i) + "'";
    EXPECT_THAT(foreign.refusal(insert_of("INSERT", "approvals", row)), IsEmpty()) << i;
  }
  EXPECT_EQ(foreign.value("SELECT count(*) FROM jobs_view WHERE state = 'queued' AND run = 1"),
            std::to_string(changes.size()));
  EXPECT_EQ(foreign.value("SELECT count(*) FROM history_view WHERE seq = 1 AND event = 'enqueued' AND actor = "
                          "(SELECT approved_by FROM jobs_view AS j WHERE j.job_id = history_view.job_id)"),
            std::to_string(changes.size()));
}

TEST_F(ProducerGuards, AcceptEveryKindOfGoodRequest) {
  Foreign foreign(folder_.database());
  foreign.run(insert_of("INSERT", "approvals", good_approval()));
  const std::vector<Row> rows{
      {{"kind", "'cancel'"}, {"job_id", "1"}},
      {{"kind", "'cancel'"}, {"job_id", "1"}, {"args", R"('{"reason":"changed my mind"}')"}},
      {{"kind", "'retry'"}, {"job_id", "1"}},
      {{"kind", "'rollback'"}, {"job_id", "1"}},
      {{"kind", "'resolve'"}, {"job_id", "1"}, {"args", R"('{"outcome":"abandoned","reason":"gone"}')"}},
      {{"kind", "'freeze'"}, {"args", R"('{"reason":"audit"}')"}},
      {{"kind", "'freeze'"}, {"backend", "'docker'"}, {"args", R"('{"reason":"audit","expires_at":4000000000000}')"}},
      {{"kind", "'freeze'"}, {"backend", "'docker'"}, {"bottle", "'b'"}, {"args", R"('{"reason":"audit"}')"}},
      {{"kind", "'unfreeze'"}},
      {{"kind", "'plan'"}, {"job_id", "1"}},
      {{"kind", "'plan'"},
       {"backend", "'x'"},
       {"bottle", "'b'"},
       {"args", R"('{"kind":"capability_block","args":{}}')"}},
  };
  for (auto row : rows) {
    row["requested_by"] = "'bob'";
    EXPECT_THAT(foreign.refusal(insert_of("INSERT", "requests", row)), IsEmpty()) << insert_of("", "", row);
  }
  EXPECT_EQ(foreign.value("SELECT count(*) FROM requests WHERE answered_at IS NULL"), std::to_string(rows.size()));
}

TEST_F(ProducerGuards, IgnoreAnIdenticalResubmissionUnderEveryVerb) {
  for (const auto& pragma : pragmas) {
    Foreign foreign(folder_.database());
    foreign.run(pragma);
    for (const auto& verb : verbs)
      EXPECT_THAT(foreign.refusal(insert_of(verb, "approvals", good_approval())), IsEmpty());
    foreign.run(insert_of("INSERT", "approvals", good_approval()) + " ON CONFLICT DO UPDATE SET bottle = 'other'");
    EXPECT_THAT(foreign.values("SELECT count(*), min(bottle) FROM approvals"), ElementsAre("1", "dev-fix-12"));
    EXPECT_THAT(foreign.values("SELECT count(*) FROM jobs UNION ALL SELECT count(*) FROM history"),
                ElementsAre("1", "1"));
  }
}

TEST_F(ProducerGuards, RefuseTheSameIdWithOtherContentUnderEveryVerb) {
  Foreign(folder_.database()).run(insert_of("INSERT", "approvals", good_approval()));
  const Row others{{"kind", "'other'"},
                   {"backend", "'podman'"},
                   {"bottle", "'other'"},
                   {"args", R"('{"change":{"dockerfile":"FROM  current"}}')"},
                   {"approved_by", "'eve'"},
                   {"priority", "1"},
                   {"scheduled_at", "4000000000000"},
                   {"expires_at", "4000000000000"},
                   {"justification", "'j'"},
                   {"meta", R"('{"a":1}')"}};
  for (const auto& pragma : pragmas) {
    Foreign foreign(folder_.database());
    foreign.run(pragma);
    for (const auto& [column, value] : others) {
      auto row = good_approval();
      row[column] = value;
      for (const auto& verb : verbs)
        EXPECT_THAT(foreign.refusal(insert_of(verb, "approvals", row)),
                    StartsWith("approvals.approval_id: was used before with other content"))
            << column;
      EXPECT_THAT(
          foreign.refusal(insert_of("INSERT", "approvals", row) + " ON CONFLICT DO UPDATE SET bottle = 'other'"),
          StartsWith("approvals.approval_id: was used before with other content"));
    }
  }
  EXPECT_EQ(Foreign(folder_.database()).value("SELECT group_concat(bottle || approved_by) FROM approvals"),
            "dev-fix-12alice");
}

TEST_F(ProducerGuards, OneBadRowOfManyLeavesNone) {
  Foreign foreign(folder_.database());
  EXPECT_THAT(foreign.refusal("INSERT INTO approvals (approval_id, kind, backend, bottle, args, approved_by) VALUES "
                              "('a', 'other', 'docker', 'b', '{}', 'x'), ('b', 'other', 'docker', '', '{}', 'x')"),
              StartsWith("approvals.bottle: is empty"));
  EXPECT_EQ(foreign.value("SELECT count(*) FROM jobs"), "0");
}

TEST_F(ProducerGuards, RefuseTenMegabytes) {
  auto row = good_approval();
  row["args"] = R"('{"change":{"dockerfile":"' || printf('%.*c', 10000000, 'x') || '"}}')";
  EXPECT_THAT(Foreign(folder_.database()).refusal(insert_of("INSERT", "approvals", row)),
              StartsWith("approvals.args: is longer"));
}

TEST_F(ProducerGuards, LetAProducerRollBack) {
  Foreign foreign(folder_.database());
  foreign.run("BEGIN");
  foreign.run(insert_of("INSERT", "approvals", good_approval()));
  EXPECT_EQ(foreign.value("SELECT count(*) FROM jobs"), "1");
  foreign.run("ROLLBACK");
  EXPECT_EQ(foreign.value("SELECT count(*) FROM jobs"), "0");
}

}  // namespace
}  // namespace rebottle::schema
