// Names and labels, and the version that is spoken. Not here: who uses them.
#include "worker/backends/docker/names.hpp"

#include <gtest/gtest.h>

#include "worker/backends/docker/api_version.hpp"

namespace rebottle::worker::docker {
namespace {

TEST(Names, AValidSlugIsItsOwnRepository) {
  for (const auto* const slug : {"dev-fix-12", "a", "a.b_c__d---e", "0"})
    EXPECT_EQ(repository_of(slug), "rebottle/" + std::string(slug));
}

TEST(Names, OtherSlugsGetAHashAndNeverMeet) {
  EXPECT_EQ(repository_of("Dev").substr(0, 14), "rebottle/dev__");
  EXPECT_EQ(repository_of("Dev").size(), std::string("rebottle/dev__").size() + 12);
  EXPECT_NE(repository_of("Dev"), repository_of("dev"));
  EXPECT_NE(repository_of("DEV"), repository_of("Dev"));
  for (const auto* const slug : {"-a", "a-", "a..b", "a___b", "a._b", "ä", "_", "a/b", ""})
    EXPECT_NE(repository_of(slug), "rebottle/" + std::string(slug)) << slug;
  EXPECT_EQ(repository_of("_").substr(0, 17), "rebottle/bottle__");
}

TEST(Names, ASlugCannotPretendToBeAMappedOne) {
  const auto mapped = repository_of("Dev").substr(std::string("rebottle/").size());
  EXPECT_NE(repository_of(mapped), repository_of("Dev"));
}

TEST(Names, ALongSlugStaysWithinTheEnginesLimit) {
  EXPECT_LE(repository_of(std::string(5000, 'a')).size(), 150U);
  EXPECT_NE(repository_of(std::string(5000, 'a')), repository_of(std::string(5001, 'a')));
}

TEST(Names, EverythingOfAJobFollowsFromItsKey) {
  const auto names = names_of("Slug", "agent", "ab12-7");
  EXPECT_EQ(names.parked, "agent.prev-ab12-7");
  EXPECT_EQ(names.created, "agent.new-ab12-7");
  EXPECT_EQ(names.tag_previous, repository_of("Slug") + ":prev-ab12-7");
  EXPECT_EQ(names.tag_job, repository_of("Slug") + ":job-ab12-7");
  EXPECT_EQ(names.tag_current, repository_of("Slug") + ":current");
}

TEST(Names, ContainerNamesAreWhatTheEngineAccepts) {
  for (const auto* const name : {"ab", "A0", "a_.-"}) EXPECT_TRUE(valid_container_name(name)) << name;
  for (const auto* const name : {"", "a", "-a", ".a", "a/b", "a b", "a\nb", "ä1"})
    EXPECT_FALSE(valid_container_name(name)) << name;
}

TEST(Labels, SayWhichJobMadeAThing) {
  JobContext job;
  job.job_key = "ab-7";
  job.fence = 9;
  job.bottle = "slug";
  const auto labels = labels_of(job, "create_new");
  EXPECT_EQ(labels, (json{{"io.rebottle.job", "ab-7"},
                          {"io.rebottle.fence", "9"},
                          {"io.rebottle.step", "create_new"},
                          {"io.rebottle.bottle", "slug"}}));
  EXPECT_TRUE(made_by(labels, "ab-7"));
  EXPECT_FALSE(made_by(labels, "ab-70"));
  EXPECT_FALSE(made_by(nullptr, "ab-7"));
  EXPECT_FALSE(made_by(json::object(), ""));
}

TEST(ApiVersionText, IsTwoNumbers) {
  EXPECT_EQ(parse_api_version("1.41"), (ApiVersion{1, 41}));
  for (const auto* const text : {"", "1", "1.", ".41", "1.41.2", "1.x", "-1.41", "1.-1", " 1.41"})
    EXPECT_FALSE(parse_api_version(text)) << text;
}

TEST(Negotiation, TakesTheNewestThatBothKnow) {
  EXPECT_EQ(negotiate({1, 41}), (ApiVersion{1, 41}));
  EXPECT_EQ(negotiate({1, 44}), (ApiVersion{1, 44}));
  EXPECT_EQ(negotiate({1, 99}), api_version_newest);
  EXPECT_EQ(negotiate({2, 0}), api_version_newest);
  EXPECT_FALSE(negotiate({1, 40}));
  EXPECT_FALSE(negotiate({0, 99}));
}

}  // namespace
}  // namespace rebottle::worker::docker
