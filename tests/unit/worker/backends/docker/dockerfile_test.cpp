// How a Dockerfile is read: what it would fetch, what is refused, what "current" becomes. Not here: builds.
#include "worker/backends/docker/dockerfile.hpp"

#include <gmock/gmock.h>

namespace rebottle::worker::docker {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::string_view image = "rebottle/x:prev-1";

std::vector<std::string> problems_of(const std::string& text, Builder builder = Builder::classic) {
  return prepare_dockerfile(text, image, builder).problems;
}

// What each builder says to these lines below a FROM.
void expect_refused(const std::vector<std::string>& bodies, const std::string& why) {
  for (const auto builder : {Builder::classic, Builder::buildkit})
    for (const auto& body : bodies)
      EXPECT_THAT(problems_of("FROM current\n" + body + "\n", builder),
                  Contains(AllOf(HasSubstr("line 2: "), HasSubstr(why))))
          << body;
}

TEST(Dockerfile, CurrentBecomesThePinnedImage) {
  const auto read = prepare_dockerfile("FROM current\nRUN true\n", image);
  EXPECT_THAT(read.problems, IsEmpty());
  EXPECT_THAT(read.images, IsEmpty());
  EXPECT_EQ(read.text, "FROM rebottle/x:prev-1\nRUN true\n\n");
}

TEST(Dockerfile, EveryStageAndSpellingOfFromIsSeen) {
  const auto read =
      prepare_dockerfile("from current As One\nFrOm base:2 as two\nFROM ONE\nFROM two\nFROM scratch\n", image);
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

TEST(Dockerfile, AnInstructionIsOneLineForTheBuilderAndKeepsItsNumber) {
  const auto read =
      prepare_dockerfile("FROM \\\n# a comment\n\n  current\nRUN echo a && \\\n  # why\n\n  echo b\nRUN c\r\n", image);
  EXPECT_THAT(read.problems, IsEmpty());
  EXPECT_EQ(read.text, "FROM rebottle/x:prev-1\n\n\n\nRUN echo a &&   echo b\n\n\n\nRUN c\n\n");
  EXPECT_EQ(prepare_dockerfile("FR\\\nOM cur\\\t \nrent\n# end\n", image).text, "FROM rebottle/x:prev-1\n\n\n\n\n");
}

TEST(Dockerfile, NoCommentReachesTheBuilder) {
  // Engines differ in whether an indented comment ends the instruction, and in which comments direct them.
  const auto read = prepare_dockerfile("# a = b\nFROM current\nRUN true \\\n  # end\nFROM evil\n# last", image);
  EXPECT_EQ(read.text, "\nFROM rebottle/x:prev-1\nRUN true FROM evil\n\n\n\n");
  EXPECT_THAT(read.images, IsEmpty());
}

TEST(Dockerfile, ALineThatBuildersContinueDifferentlyIsRefused) {
  expect_refused({"RUN echo \\\\\nRUN x", "RUN echo \\\\ \t\nRUN x", "RUN echo \\ \\", "RUN \\\\", "ENV A=\\\\\\\nB"},
                 "builders differ");
  EXPECT_THAT(problems_of("FROM current\nRUN echo '\\\\'\nRUN a \\\n"), IsEmpty());
}

TEST(Dockerfile, AnotherReaderIsRefused) {
  for (const auto* const line : {"# syntax=evil/frontend", "#syntax = evil", "  # SYNTAX=evil", "# check=error=true",
                                 "# escape=`", "# a=b\n# syntax=evil", "# check=skip=all\n# escape=`", "#!x",
                                 "#!/usr/bin/env docker\n# syntax=evil", "# escape=\\\n# syntax=evil"})
    EXPECT_THAT(problems_of(std::string(line) + "\nFROM current\n"),
                Contains(AllOf(HasSubstr("line "), HasSubstr("remove it"))))
        << line;
  for (const auto* const line : {"// syntax=evil", "{\"syntax\":\"evil\"}", "\xEF\xBB\xBF\xEF\xBB\xBF# syntax=evil"})
    EXPECT_THAT(problems_of(std::string(line) + "\nFROM current\n"), Contains(HasSubstr("line 1: \""))) << line;
  EXPECT_THAT(problems_of("# just a comment\n# syntax=no-directive-any-more\nFROM current\n"), IsEmpty());
  EXPECT_THAT(problems_of("\xEF\xBB\xBF# escape = \\\nFROM current\n"), IsEmpty());
}

TEST(Dockerfile, OnlyKnownInstructionsAreAccepted) {
  expect_refused(
      {"NONSENSE x", "\u00a0ADD http://x /y", "\u3000FROM evil", "\u2003COPY --from=evil /x /y", "ADD\u00a0http://x /y",
       "\xEF\xBB\xBF"
       "FROM evil",
       "<<EOF", "\"FROM\" evil", "R\\UN x"},
      "is none of the instructions from, copy, run, arg");
  EXPECT_THAT(problems_of("FROM current\narg A\ncmd x\nentrypoint x\nenv a=b\nexpose 1\nhealthcheck none\nlabel a=b\n"
                          "maintainer Ü\nshell [\"x\"]\nstopsignal 1\nuser u\nvolume /v\nworkdir /w\nRun\tx\n"),
              IsEmpty());
}

TEST(Dockerfile, ControlCharactersAndBrokenTextAreRefused) {
  using namespace std::string_literals;
  expect_refused(
      {"RUN a\0b"s, "RUN a\rADD b", "RUN a \\\r \nADD x"s, "RUN\va", "\fRUN a", "RUN a\x1b[1m", "RUN a\x7f",
       "COPY --chown=1\xa0--from=evil /a /b", "RUN \xc2\x85--network=host x", "COPY --chown=1\xc2\x85 /a /b"},
      "");
  EXPECT_THAT(problems_of("FROM current\nRUN a\0b\n"s), ElementsAre(HasSubstr("a control character")));
}

TEST(Dockerfile, AnInstructionThatNoBuilderWouldReadIsRefused) {
  EXPECT_THAT(problems_of("FROM current\nRUN " + std::string(65'600, 'x')), ElementsAre(HasSubstr("65535 bytes")));
  std::string joined = "RUN true";
  for (int i = 0; i < 70; ++i) joined += " \\\n" + std::string(1000, 'x');
  EXPECT_THAT(problems_of("FROM current\n" + joined), ElementsAre(HasSubstr("line 2: an instruction is longer")));
}

TEST(Dockerfile, AVariableInFromIsRefusedWithTheWayOut) {
  EXPECT_THAT(prepare_dockerfile("ARG B=x\nFROM $B\n", image).problems,
              ElementsAre(HasSubstr("line 2: FROM $B: a variable hides")));
}

TEST(Dockerfile, FromNamesOneImagePlainly) {
  expect_refused({"FROM --platform=linux/arm64 current", "FROM --platform=$P current"}, "--platform");
  expect_refused({"FROM $B", "FROM ${B:-evil}", "FROM a$B"}, "a variable hides");
  expect_refused({"FROM \"base:2\"", "FROM ba\\se", "FROM 'base'", "FROM oci:/path", "FROM docker-archive:/etc/x",
                  "FROM docker://evil/x", "FROM host:port/x", "FROM base\u00a0", "FROM :x"},
                 "no plain name of an image");
  expect_refused({"FROM", "FROM a b", "FROM a b c", "FROM a AS b c"}, "write \"FROM image\"");
  expect_refused({"FROM base AS 9", "FROM base AS evil/x", "FROM base AS a:b"}, "the stage's name");
  const auto read = prepare_dockerfile("FROM a_b.c:5000/d/e-f:g AS a\nFROM x@sha256:0f\nFROM sha256:0f\n", image);
  EXPECT_THAT(read.problems, IsEmpty());
  EXPECT_THAT(read.images, ElementsAre("a_b.c:5000/d/e-f:g", "sha256:0f", "x@sha256:0f"));
  EXPECT_THAT(prepare_dockerfile("FROM debian AS debian\nFROM debian\n", image).images, ElementsAre("debian"));
}

TEST(Dockerfile, CopyFromIsAnImageToo) {
  const auto read = prepare_dockerfile(
      "FROM current AS a\nFROM b\nCOPY --from=a /x /y\nCOPY --from=0 /x /y\nCOPY --chown=1:$G --from=tools:3 /x /y\n"
      "COPY --from=current --chown=1 [\"/p  q\", \"/r\"]\nCOPY --link Dockerfile /x\n",
      image);
  EXPECT_THAT(read.problems, IsEmpty());
  EXPECT_THAT(read.images, ElementsAre("b", "tools:3"));
  EXPECT_THAT(read.text, HasSubstr("COPY --from=rebottle/x:prev-1 --chown=1 [\"/p  q\", \"/r\"]\n"));
}

TEST(Dockerfile, CopyHidesNoSource) {
  expect_refused({"COPY --from=$S /a /b", "COPY --from=${S} /a /b"}, "a variable hides");
  expect_refused({"COPY --\\from=host/img /a /b", "COPY --fr\"om\"=host/img /a /b", "COPY --from=\"a\" /a /b",
                  "COPY --fr'om'=x /a /b", "COPY --chown=1\\ --from=x /a /b", "COPY --from=a --from=b /a /b",
                  "COPY --FROM=a /a /b", "COPY -- --from=a /b", "COPY --chown=\u00fc /a /b", "COPY --new=1 /a /b",
                  "COPY --chown=`x /a /b"},
                 "COPY with --");
  expect_refused({"COPY --from= /a /b", "COPY --from /a /b", "COPY --from=0 /a /b", "COPY --from=1 /a /b",
                  "COPY --from=99999999999999999999999 /a /b"},
                 "there is no stage of that number before this one");
  // The classic builder knows a stage when it is complete, and takes its name for an image's before.
  EXPECT_THAT(problems_of("FROM current AS evil\nCOPY --from=EVIL /a /b\n"), ElementsAre(HasSubstr("from itself")));
  EXPECT_THAT(prepare_dockerfile("FROM current\nCOPY --from=later /a /b\nFROM current AS later\n", image).images,
              ElementsAre("later"));
}

TEST(Dockerfile, AddIsRefusedWhateverItNames) {
  expect_refused({"ADD http://x/y /z", "ADD $U /z", "ADD [\"http:\\u002f\\u002fx\",\"/z\"]", "add Dockerfile /z",
                  "ADD --checksum=x git@github.com:x/y /z", "ADD", "A\\\nDD x /y"},
                 "ADD is not accepted");
}

TEST(Dockerfile, HereDocumentsAreRefused) {
  expect_refused({"RUN <<EOF\ntrue\nEOF", "RUN cat <<'E\\'", "COPY <<-'EOF' /x", "RUN a\u00a0<<EOF", "RUN [ -f x ] <<E",
                  "RUN x ${Y:-<<E}", "RUN cat <<<x <${Y:-<}E", "RUN cat 3<<E", "RUN [\"a\"] <<E", "RUN [1] <<E"},
                 "");
  for (const auto* const body : {"RUN <<EOF", "COPY <<EOF /x", "RUN [ -f x ] <<E", "RUN echo $((1<<2))"})
    EXPECT_THAT(problems_of("FROM current\n" + std::string(body) + "\n"), ElementsAre(HasSubstr("here-document")));
  EXPECT_THAT(problems_of("FROM current\nRUN [\"sh\", \"-c\", \"cat <<E\\nx\\nE\"]\nENV A=<<x\n"), IsEmpty());
}

TEST(Dockerfile, WhatOnlyBuildKitKnowsIsRefused) {
  EXPECT_THAT(problems_of("FROM current\nRUN --mount=type=bind,from=evil true\n"),
              ElementsAre(HasSubstr("needs BuildKit")));
  EXPECT_THAT(problems_of("FROM current\nRUN --network=host true\n"), ElementsAre(HasSubstr("needs BuildKit")));
}

TEST(Dockerfile, BuildKitMayMountWhatNeedsNoSession) {
  const auto read = [](const std::string& line) {
    return prepare_dockerfile("FROM debian AS tools\nFROM current\n" + line + "\n", image, Builder::buildkit);
  };
  for (const auto* const line :
       {"RUN --mount=type=cache,target=/c make", "RUN --mount=type=tmpfs,target=/t --mount=target=/b make",
        "RUN --mount=from=tools,target=/t make", "RUN --mount=type=bind,from=TOOLS,target=/t [\"make\"]"}) {
    EXPECT_THAT(read(line).problems, IsEmpty()) << line;
    EXPECT_THAT(read(line).images, ElementsAre("debian")) << line;
    EXPECT_THAT(read(line).text, HasSubstr(line));
  }
  EXPECT_THAT(read("RUN --mount=type=bind,from=golang:1,target=/g make").images, ElementsAre("debian", "golang:1"));
  EXPECT_THAT(read("RUN --mount=type=secret,id=x make").problems,
              ElementsAre(HasSubstr("a mount of type secret needs")));
  EXPECT_THAT(read("RUN --mount=type=ssh make").problems, ElementsAre(HasSubstr("a mount of type ssh needs")));
  EXPECT_THAT(read("RUN --mount=from=current,target=/x make").problems, ElementsAre(HasSubstr("FROM current AS base")));
  EXPECT_THAT(read("RUN --mount=from=0,target=/x make").problems, ElementsAre(HasSubstr("FROM current AS base")))
      << "BuildKit would look for an image of that name";
  for (const auto* const flag : {"--mount=from=$X", "--mount=type=se\\cret", "--mount=\"from=x\"", "--mount='from=x'",
                                 "--mount=type=$T", "--mount=target=/\u00fc"})
    EXPECT_THAT(read("RUN " + std::string(flag) + " make").problems, ElementsAre(HasSubstr("hide what is mounted")))
        << flag;
  EXPECT_THAT(read("RUN --mount=from=evil,from=tools make").images, ElementsAre("debian", "evil"));
  EXPECT_THAT(read("RUN --mount=type=cache,FROM=evil,target=/x make").images, ElementsAre("debian", "evil"));
  for (const auto* const flag :
       {"--net\\work=host", "--security=insecure", "--device=x", "--", "--\"mount\"=type=bind"})
    EXPECT_THAT(read("RUN " + std::string(flag) + " make").problems, ElementsAre(HasSubstr("only --mount is allowed")))
        << flag;
  EXPECT_THAT(read("RUN --network=host make").problems, ElementsAre(HasSubstr("only --mount is allowed")));
  EXPECT_THAT(read("RUN --mount=type=cache,target=/c --security=insecure make").problems,
              ElementsAre(HasSubstr("line 3: RUN with --security=insecure")));
  EXPECT_THAT(read("RUN <<EOF\nmake\nEOF").problems, ElementsAre(HasSubstr("here-document")));
  EXPECT_THAT(onbuild_problems({"RUN --mount=type=secret,id=x make"}, Builder::buildkit),
              ElementsAre(HasSubstr("secret")));
}

TEST(Dockerfile, AnInstructionOfOursComesFirstInEachStage) {
  const auto read = prepare_dockerfile("FROM a AS \\\n  b\nRUN x\n\nFROM current\nRUN y\n", image);
  EXPECT_EQ(with_first_instruction(read, "LABEL l=1"),
            "FROM a AS   b\n\nLABEL l=1\nRUN x\n\nFROM " + std::string(image) + "\nLABEL l=1\nRUN y\n\n\n");
  EXPECT_EQ(with_own_lines("dockerfile parse error line 8: unknown instruction: Y", read),
            "dockerfile parse error line 6: unknown instruction: Y");
  EXPECT_EQ(with_own_lines("Dockerfile parse error on line 4: x", read), "Dockerfile parse error on line 3: x");
  EXPECT_EQ(with_own_lines("dockerfile parse error line 1: x", read), "dockerfile parse error line 1: x");
  EXPECT_EQ(with_own_lines("the command returned line 8", read), "the command returned line 8");
  EXPECT_EQ(with_own_lines("parse error line 99999999999: x", read), "parse error line 99999999999: x");
}

TEST(Dockerfile, OnbuildIsRefused) {
  expect_refused({"ONBUILD RUN true", "onbuild ADD http://x /y", "ONBUILD"}, "ONBUILD is not accepted");
}

TEST(Dockerfile, OnbuildInstructionsOfBaseImagesAreJudgedAsTheOthers) {
  for (const auto* const line : {"ADD http://x /y", "ADD $X /y", "COPY --\\from=evil /x /y", "COPY --from=0 /x /y",
                                 "\u00a0ADD x /y", "RUN true\nADD x /y", "RUN x \\\nADD x /y", "RUN <<E", "RUN x \\"})
    EXPECT_THAT(onbuild_problems({line}), ElementsAre(HasSubstr("an ONBUILD instruction of a base image: "))) << line;
  EXPECT_THAT(onbuild_problems({"COPY --from=evil /x /y"}), ElementsAre(HasSubstr("copies from evil")));
  EXPECT_THAT(onbuild_problems({"RUN true", "COPY . /src"}), IsEmpty());
}

TEST(Dockerfile, ProblemsCarryNoControlCharactersAndStayShort) {
  const auto problems = problems_of("FROM $\x1b[31m" + std::string(5000, 'x') + "\n\x1b" + std::string(5000, 'x'));
  ASSERT_FALSE(problems.empty());
  for (const auto& problem : problems) {
    EXPECT_EQ(problem.find('\x1b'), std::string::npos);
    EXPECT_LT(problem.size(), 400U);
  }
}

TEST(Dockerfile, EmptyTextAndBareWordsAreLeftToTheBuilder) {
  for (const auto* const text : {"", "\n\n", "RUN\n", "COPY\n", "ENV\n", "\\\n", "\\\n# x"})
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
