// How a Dockerfile is read: what it would fetch, what is refused, what "current" becomes. Not here: builds.
#include "worker/backends/docker/dockerfile.hpp"

#include <gmock/gmock.h>

namespace rebottle::worker::docker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::string_view image = "rebottle/x:prev-1";

TEST(Dockerfile, CurrentBecomesThePinnedImage) {
  const auto read = prepare_dockerfile("FROM current\nRUN true\n", image);
  EXPECT_THAT(read.problems, IsEmpty());
  EXPECT_THAT(read.images, IsEmpty());
  EXPECT_EQ(read.text, "FROM rebottle/x:prev-1\nRUN true\n\n");
}

TEST(Dockerfile, EveryStageAndSpellingOfFromIsSeen) {
  const auto read =
      prepare_dockerfile("from current As One\nFrOm \"base:2\" as two\nFROM ONE\nFROM two\nFROM scratch\n", image);
  EXPECT_THAT(read.problems, IsEmpty());
  EXPECT_THAT(read.images, ElementsAre("base:2"));
  EXPECT_THAT(read.text, HasSubstr("FROM rebottle/x:prev-1 AS One\n"));
}

TEST(Dockerfile, TheWordCurrentIsCaseSensitive) {
  EXPECT_THAT(prepare_dockerfile("FROM Current\n", image).images, ElementsAre("Current"));
}

TEST(Dockerfile, AStageMayNotTakeTheWord) {
  EXPECT_THAT(prepare_dockerfile("FROM base AS current\nFROM current\n", image).problems,
              ElementsAre(HasSubstr("line 1: a stage cannot be called")));
}

TEST(Dockerfile, ContinuationLinesAreJoinedAndLineNumbersStay) {
  const auto read =
      prepare_dockerfile("FROM \\\n# a comment\n\n  current\nRUN echo a && \\\n  # why\n\n  echo b\n", image);
  EXPECT_THAT(read.problems, IsEmpty());
  EXPECT_EQ(read.text, "FROM rebottle/x:prev-1\n\n\n\nRUN echo a && \\\n  echo b\n\n\n\n");
}

TEST(Dockerfile, AnIndentedCommentCannotHideAnInstruction) {
  // Some engines end the instruction at such a comment; what they get has none.
  const auto read = prepare_dockerfile("FROM current\nRUN true \\\n  # end\nFROM evil\n", image);
  EXPECT_THAT(read.text, Not(HasSubstr("# end")));
  EXPECT_THAT(read.text, HasSubstr("RUN true \\\nFROM evil\n"));
}

TEST(Dockerfile, TheEscapeDirectiveIsFollowed) {
  const auto read = prepare_dockerfile("# escape=`\nFROM current\nRUN dir C:\\\nFROM other\n", image);
  EXPECT_THAT(read.images, ElementsAre("other"));
  const auto joined = prepare_dockerfile("#escape = `\nFROM `\ncurrent\n", image);
  EXPECT_THAT(joined.text, HasSubstr("FROM rebottle/x:prev-1"));
}

TEST(Dockerfile, AForeignFrontendIsRefused) {
  EXPECT_THAT(prepare_dockerfile("# syntax=evil/frontend\nFROM current\n", image).problems,
              ElementsAre(HasSubstr("# syntax=")));
  EXPECT_THAT(prepare_dockerfile("# just a comment\n# syntax=no-directive-any-more\nFROM current\n", image).problems,
              IsEmpty());
}

TEST(Dockerfile, AVariableInFromIsRefusedWithTheWayOut) {
  EXPECT_THAT(prepare_dockerfile("ARG B=x\nFROM $B\n", image).problems,
              ElementsAre(HasSubstr("line 2: FROM $B: a variable hides")));
}

TEST(Dockerfile, APlatformIsRefused) {
  EXPECT_THAT(prepare_dockerfile("FROM --platform=linux/arm64 current\n", image).problems,
              ElementsAre(HasSubstr("--platform")));
}

TEST(Dockerfile, CopyFromIsAnImageToo) {
  const auto read = prepare_dockerfile(
      "FROM current AS a\nFROM b\nCOPY --from=a /x /y\nCOPY --from=0 /x /y\nCOPY --chown=1:1 --from=tools:3 /x /y\n"
      "COPY --from=current --chown=1 /p /q\n",
      image);
  EXPECT_THAT(read.problems, IsEmpty());
  EXPECT_THAT(read.images, ElementsAre("b", "tools:3"));
  EXPECT_THAT(read.text, HasSubstr("COPY --from=rebottle/x:prev-1 --chown=1 /p /q\n"));
  EXPECT_THAT(prepare_dockerfile("FROM current\nCOPY --from=$S /a /b\n", image).problems, ElementsAre(HasSubstr("$S")));
}

TEST(Dockerfile, AddMayNotFetch) {
  for (const auto* const source : {"http://x/y", "HTTPS://x/y", "git://x/y", "git@github.com:x/y", "ssh://x/y",
                                   "github.com/x/y", "[\"https://x/y\","})
    EXPECT_THAT(prepare_dockerfile("FROM current\nADD " + std::string(source) + " /z\n", image).problems,
                ElementsAre(HasSubstr("line 2: ADD fetches")))
        << source;
}

TEST(Dockerfile, WhatOnlyBuildKitKnowsIsRefused) {
  EXPECT_THAT(prepare_dockerfile("FROM current\nRUN --mount=type=bind,from=evil true\n", image).problems,
              ElementsAre(HasSubstr("needs BuildKit")));
  EXPECT_THAT(prepare_dockerfile("FROM current\nRUN <<EOF\ntrue\nEOF\n", image).problems,
              ElementsAre(HasSubstr("here-document")));
  EXPECT_THAT(prepare_dockerfile("FROM current\nCOPY <<-'EOF' /x\ny\nEOF\n", image).problems,
              ElementsAre(HasSubstr("here-document")));
  EXPECT_THAT(prepare_dockerfile("FROM current\nRUN echo $((1<<2)) && cat <<<x\n", image).problems, IsEmpty());
}

TEST(Dockerfile, BuildKitMayMountWhatNeedsNoSession) {
  const auto read = [](const std::string& line) {
    return prepare_dockerfile("FROM debian AS tools\nFROM current\n" + line + "\n", image, Builder::buildkit);
  };
  for (const auto* const line :
       {"RUN --mount=type=cache,target=/c make", "RUN --mount=type=tmpfs,target=/t --mount=target=/b make",
        "RUN --mount=from=tools,target=/t make", "RUN --mount=from=0,target=/t [\"make\"]"}) {
    EXPECT_THAT(read(line).problems, IsEmpty()) << line;
    EXPECT_THAT(read(line).images, ElementsAre("debian")) << line;
    EXPECT_THAT(read(line).text, HasSubstr(line));
  }
  EXPECT_THAT(read("RUN --mount=type=bind,from=golang:1,target=/g make").images, ElementsAre("debian", "golang:1"));
  EXPECT_THAT(read("RUN --mount=type=secret,id=x make").problems,
              ElementsAre(HasSubstr("a mount of type secret needs")));
  EXPECT_THAT(read("RUN --mount=type=ssh make").problems, ElementsAre(HasSubstr("a mount of type ssh needs")));
  EXPECT_THAT(read("RUN --mount=from=current,target=/x make").problems, ElementsAre(HasSubstr("FROM current AS base")));
  EXPECT_THAT(read("RUN --mount=from=$X,target=/x make").problems, ElementsAre(HasSubstr("hide what is mounted")));
  EXPECT_THAT(read("RUN --network=host make").problems, ElementsAre(HasSubstr("only --mount is allowed")));
  EXPECT_THAT(read("RUN --mount=type=cache,target=/c --security=insecure make").problems,
              ElementsAre(HasSubstr("line 3: RUN with --security=insecure")));
  EXPECT_THAT(read("RUN <<EOF\nmake\nEOF").problems, ElementsAre(HasSubstr("here-documents")));
  EXPECT_THAT(onbuild_problems({"RUN --mount=type=secret,id=x make"}, Builder::buildkit),
              ElementsAre(HasSubstr("secret")));
}

TEST(Dockerfile, AnInstructionOfOursComesFirstInEachStage) {
  const auto read = prepare_dockerfile("FROM a AS \\\n  b\nRUN x\n\nFROM current\nRUN y\n", image);
  EXPECT_EQ(with_first_instruction(read, "LABEL l=1"),
            "FROM a AS \\\n  b\nLABEL l=1\nRUN x\n\nFROM " + std::string(image) + "\nLABEL l=1\nRUN y\n\n\n");
  EXPECT_EQ(with_own_lines("dockerfile parse error line 8: unknown instruction: Y", read),
            "dockerfile parse error line 6: unknown instruction: Y");
  EXPECT_EQ(with_own_lines("Dockerfile parse error on line 4: x", read), "Dockerfile parse error on line 3: x");
  EXPECT_EQ(with_own_lines("dockerfile parse error line 1: x", read), "dockerfile parse error line 1: x");
  EXPECT_EQ(with_own_lines("the command returned line 8", read), "the command returned line 8");
  EXPECT_EQ(with_own_lines("parse error line 99999999999: x", read), "parse error line 99999999999: x");
}

TEST(Dockerfile, OnbuildInstructionsAreJudgedAsTheOthers) {
  EXPECT_THAT(prepare_dockerfile("FROM current\nONBUILD ADD http://x /y\n", image).problems,
              ElementsAre(HasSubstr("ADD fetches")));
  EXPECT_THAT(onbuild_problems({"ADD http://x /y"}), ElementsAre(HasSubstr("ADD fetches")));
  EXPECT_THAT(onbuild_problems({"COPY --from=evil /x /y"}), ElementsAre(HasSubstr("copies from evil")));
  EXPECT_THAT(onbuild_problems({"RUN true", "COPY . /src"}), IsEmpty());
}

TEST(Dockerfile, ProblemsCarryNoControlCharactersAndStayShort) {
  const auto problems = prepare_dockerfile("FROM $\x1b[31m" + std::string(5000, 'x') + "\n", image).problems;
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_EQ(problems[0].find('\x1b'), std::string::npos);
  EXPECT_LT(problems[0].size(), 400U);
}

TEST(Dockerfile, EmptyTextAndBareWordsAreLeftToTheBuilder) {
  for (const auto* const text : {"", "\n\n", "FROM\n", "ONBUILD\n", "RUN\n", "COPY\n", "NONSENSE x\n", "\\\n"})
    EXPECT_THAT(prepare_dockerfile(text, image).problems, IsEmpty()) << text;
}

TEST(Commands, RunAsRootAndPutTheUserBack) {
  EXPECT_EQ(dockerfile_for_commands({"apt-get install -y jq", "echo \"$HOME\" \\"}, "agent:staff"),
            "FROM current\nUSER root\n"
            "RUN [\"/bin/sh\",\"-c\",\"apt-get install -y jq\"]\n"
            "RUN [\"/bin/sh\",\"-c\",\"echo \\\"$HOME\\\" \\\\\"]\n"
            "USER agent:staff\n");
}

TEST(Commands, LeaveAnImageOfRootWithoutAUser) {
  for (const auto* const user : {"", "root", "0"})
    EXPECT_EQ(dockerfile_for_commands({"true"}, user), "FROM current\nRUN [\"/bin/sh\",\"-c\",\"true\"]\n");
}

TEST(Commands, OneLineStaysOneInstruction) {
  const auto text = dockerfile_for_commands({"echo a\nFROM evil", "cat <<EOF\nx\nEOF"}, "");
  const auto read = prepare_dockerfile(text, image);
  EXPECT_THAT(read.problems, IsEmpty());
  EXPECT_THAT(read.images, IsEmpty());
}

}  // namespace
}  // namespace rebottle::worker::docker
