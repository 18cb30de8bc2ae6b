import Foundation
import TestSupport
import Testing

@testable import Training

@Suite struct DocumentationTests {
  @Test func `Every relative link leads to a file and a heading`() throws {
    let pages = try Documentation.pages()
    #expect(pages.contains("README.md") && pages.contains("docs/configuration.md"))
    var links = 0
    for page in pages {
      for line in try Documentation.prose(page) {
        for match in line.matches(of: /\]\(([^)\s]+)\)/) where !match.1.contains("://") {
          links += 1
          let parts = match.1.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
          let folder = URL(filePath: "/\(page)").deletingLastPathComponent()
          let target =
            parts[0].isEmpty
            ? page : String(folder.appending(path: String(parts[0])).standardized.path.dropFirst())
          let isThere = FileManager.default.fileExists(atPath: Repository.root.appending(path: target).path)
          #expect(isThere, "\(page): \(match.1) leads to no file")
          guard isThere, parts.count > 1 else { continue }
          #expect(
            try Documentation.anchors(target).contains(String(parts[1])), "\(page): \(match.1) leads to no heading")
        }
      }
    }
    #expect(links > 50)
  }

  @Test func `The README stays short`() throws {
    #expect(try Documentation.text("README.md").split(separator: "\n", omittingEmptySubsequences: false).count <= 151)
  }

  @Test func `The table of exit codes has those of the program`() throws {
    let table = Set(
      try Documentation.prose("docs/distributed.md").compactMap { line in
        line.firstMatch(of: /^\| (\d+) \|/).map { String($0.1) }
      })
    let spelt = /(?:exitCode: |exitCode: Int32 = |exitCode: Int32 \{ |exitCode \?\? |[eE]xit\(|ExitCode\()(\d+)/
    let sources = try Documentation.sources()
    var codes = Set(sources.flatMap { $0.matches(of: spelt).map { String($0.1) } })
    // File errors have codes by name.
    codes.formUnion([StorageError.Kind.contents, .missing, .inputOutput].map { "\($0.rawValue)" })
    #expect(codes.contains("75") && codes.contains("76"))
    #expect(table == codes)
    let helps = sources.compactMap { $0.firstMatch(of: /Exit codes: ([^"]*)"""/)?.1 }
    #expect(helps.count == 1)
    for help in helps { #expect(table == Set(help.matches(of: /\d+/).map { String($0.0) })) }
  }

  @Test func `The symbols of the method have their names in the code`() throws {
    let sources = try (Documentation.sources("Sources/GaussNewton") + Documentation.sources("Sources/Networks"))
    let words = sources.map { Set($0.split { !($0.isLetter || $0.isNumber) }) }
    var names = 0
    for line in try Documentation.prose("docs/method.md") where line.hasPrefix("|") {
      for match in line.matches(of: /`([A-Z][A-Za-z]+)\.([a-zA-Z]+)`/) {
        names += 1
        #expect(words.contains { $0.contains(match.1) && $0.contains(match.2) }, "\(match.0) is not in the code")
      }
    }
    #expect(names > 20)
  }
}
