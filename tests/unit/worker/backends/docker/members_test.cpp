// Who belongs to a bottle: every way to share, the order of the start, and what cannot be taken apart.
// Not here: a real engine (tests/docker/members_test.cpp).
#include "worker/backends/docker/members.hpp"

#include <gmock/gmock.h>

#include "worker/backends/docker/engine.hpp"

namespace rebottle::worker::docker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string id_of(const std::string& name) { return name + std::string(64 - name.size(), '0'); }

json container(const std::string& name, const json& host_config = json::object(), bool running = true) {
  return {{"Id", id_of(name)},
          {"Name", "/" + name},
          {"State", {{"Running", running}}},
          {"HostConfig", host_config},
          {"Config", {{"Labels", json::object()}}}};
}

json labelled(json one, const std::string& label, const std::string& value) {
  one["Config"]["Labels"][label] = value;
  return one;
}

json lives_with(const std::string& name) { return {{"NetworkMode", "container:" + id_of(name)}}; }

std::vector<std::string> names(const Members& members) {
  std::vector<std::string> out;
  for (const auto& one : members.dependents) out.push_back(container_name(one.container));
  return out;
}

TEST(Members, AnAgentAloneHasNone) {
  const auto found = find_members(container("agent"), {container("other"), container("more")}, "");
  EXPECT_THAT(found.dependents, IsEmpty());
  EXPECT_THAT(found.sides, IsEmpty());
  EXPECT_EQ(found.refusal.outcome, Outcome::done);
}

TEST(Members, EachNamespaceCountsByIdShortIdAndName) {
  for (const auto* const mode : {"NetworkMode", "PidMode", "IpcMode"})
    for (const auto& reference : {id_of("agent"), id_of("agent").substr(0, 12), std::string("agent")}) {
      const auto proxy = container("proxy", {{mode, "container:" + reference}});
      const auto found = find_members(container("agent"), {proxy}, "");
      ASSERT_THAT(names(found), ElementsAre("proxy")) << mode << " " << reference;
      ASSERT_EQ(found.dependents[0].shares.size(), 1U);
      EXPECT_EQ(found.dependents[0].shares[0].field, mode);
      EXPECT_EQ(found.dependents[0].shares[0].owner, "");
      EXPECT_EQ(found.refusal.outcome, Outcome::done) << found.refusal.message;
    }
  const auto other =
      container("proxy", {{"NetworkMode", "container:agent2"}, {"PidMode", "host"}, {"IpcMode", "private"}});
  EXPECT_THAT(names(find_members(container("agent"), {other, container("agent2")}, "")), IsEmpty());
}

TEST(Members, ThoseOfMembersAreMembersWhateverTheOrderOfTheList) {
  auto tap = container("a-tap", {{"PidMode", "container:" + id_of("proxy")}});
  tap["HostConfig"]["IpcMode"] = "container:" + id_of("agent");
  const auto found = find_members(container("agent"), {tap, container("proxy", lives_with("agent"))}, "");
  ASSERT_THAT(names(found), ElementsAre("proxy", "a-tap"));
  EXPECT_EQ(found.dependents[1].shares[0].field, "PidMode");
  EXPECT_EQ(found.dependents[1].shares[0].owner, "proxy");
  EXPECT_EQ(found.dependents[1].shares[1].owner, "");
}

TEST(Members, AmongEqualsTheLabelDecidesThenTheName) {
  const auto one = [](const std::string& name, const std::string& order) {
    return labelled(container(name, lives_with("agent")), "io.rebottle.order", order);
  };
  const std::vector<json> others = {one("e", "10"), one("d", "2"), one("c", "no number"), one("b", "-1"),
                                    container("a", lives_with("agent"))};
  EXPECT_THAT(names(find_members(container("agent"), others, "")), ElementsAre("b", "a", "c", "d", "e"));
  // An owner comes first whatever the labels say.
  const std::vector<json> against = {labelled(container("x", lives_with("y")), "io.rebottle.order", "-5"),
                                     labelled(container("y", lives_with("agent")), "io.rebottle.order", "5")};
  EXPECT_THAT(names(find_members(container("agent"), against, "")), ElementsAre("y", "x"));
}

TEST(Members, SideContainersHaveTheAgentsValueOfTheLabel) {
  const std::string project = "com.docker.compose.project";
  const auto agent = labelled(container("agent"), project, "p1");
  const std::vector<json> others = {labelled(container("side"), project, "p1"),
                                    labelled(container("proxy", lives_with("agent")), project, "p1"),
                                    labelled(container("other"), project, "p2"), container("more")};
  const auto found = find_members(agent, others, project);
  ASSERT_EQ(found.sides.size(), 1U);
  EXPECT_EQ(container_name(found.sides[0]), "side");
  EXPECT_THAT(find_members(agent, others, "").sides, IsEmpty());
  EXPECT_THAT(find_members(container("agent"), others, project).sides, IsEmpty());
}

TEST(Members, AnAgentMayLiveWithAnotherThatStays) {
  const auto found = find_members(container("agent", lives_with("vpn")), {container("vpn")}, "");
  EXPECT_THAT(found.dependents, IsEmpty());
  EXPECT_EQ(found.refusal.outcome, Outcome::done) << found.refusal.message;
}

void expect_refused(const Members& found, const std::string& member, const std::string& words) {
  EXPECT_EQ(found.refusal.outcome, Outcome::unsupported);
  EXPECT_EQ(found.refusal.reason_code, "shared_namespace");
  EXPECT_EQ(found.refusal.detail.value("container", ""), member);
  EXPECT_THAT(found.refusal.message, HasSubstr(words));
}

TEST(Members, WhatCouldNotBeStartedAgainIsRefused) {
  const auto agent = container("agent", lives_with("vpn"));
  expect_refused(find_members(agent, {}, ""), "agent", "is not there any more");
  expect_refused(find_members(agent, {container("vpn", json::object(), false)}, ""), "agent",
                 "vpn, which does not run");
  // A dependent can outlive its owner; started again without it it can't be.
  const auto stopped = container("agent", json::object(), false);
  expect_refused(find_members(stopped, {container("proxy", lives_with("agent"))}, ""), "proxy", "Start agent first");
  // One that is not started needs nobody.
  const auto exited = container("proxy", lives_with("agent"), false);
  EXPECT_EQ(find_members(stopped, {exited}, "").refusal.outcome, Outcome::done);
  auto with_gone = exited;
  with_gone["HostConfig"]["PidMode"] = "container:" + id_of("gone");
  EXPECT_EQ(find_members(container("agent"), {with_gone}, "").refusal.outcome, Outcome::done);
}

TEST(Members, ThoseThatLiveInEachOtherAreRefused) {
  const std::vector<json> pair = {container("proxy", lives_with("agent"))};
  auto agent = container("agent", {{"PidMode", "container:" + id_of("proxy")}});
  expect_refused(find_members(agent, pair, ""), "agent", "each other's namespaces");
  const std::vector<json> ring = {container("x", {{"NetworkMode", "container:agent"}, {"PidMode", "container:y"}}),
                                  container("y", lives_with("x"))};
  expect_refused(find_members(container("agent"), ring, ""), "agent", "each other's namespaces");
}

TEST(Members, ALegacyLinkToAMemberIsRefused) {
  const auto linked = container("web", {{"Links", {"/agent:/web/agent"}}});
  expect_refused(find_members(container("agent"), {linked}, ""), "agent", "web is linked to agent");
  const auto other = container("web", {{"Links", {"/agent2:/web/agent"}}});
  EXPECT_EQ(find_members(container("agent"), {other}, "").refusal.outcome, Outcome::done);
}

}  // namespace
}  // namespace rebottle::worker::docker
