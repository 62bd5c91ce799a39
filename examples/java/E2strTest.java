// SPDX-License-Identifier: MIT
import com.sun.jna.Structure;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import javax.imageio.ImageIO;

/** E2strTest EXAMPLES SIZES: with the folder of examples, and a file of `structure size` lines as C has them. */
public final class E2strTest {
    private static int failures;

    private static void check(String name, boolean good) {
        System.out.println((good ? "ok" : "not ok") + " - Java: " + name);
        if (!good) failures++;
    }

    private static void fails(String name, String status, String part, Runnable call) {
        try {
            call.run();
            check(name, false);
        } catch (E2str.Failure failure) {
            check(name, failure.status.equals(status) && failure.getMessage().contains(part));
        }
    }

    private static List<String[]> labelled(Path folder) throws Exception {
        List<String[]> samples = new ArrayList<>();
        for (String line : Files.readAllLines(folder.resolve("labels.tsv"))) {
            String[] parts = line.split("\t", 2);
            samples.add(new String[] {folder.resolve(parts[0]).toString(), parts[1]});
        }
        return samples;
    }

    private static E2str.Image load(String path) {
        return E2str.Image.load(Path.of(path));
    }

    private static void structures(Path sizes) throws Exception {
        Map<String, Structure> known = Map.of("e2str_session_options", new E2str.SessionOptions(),
                "e2str_image", new E2str.View(), "e2str_constraint_options", new E2str.ConstraintOptions(),
                "e2str_read_options", new E2str.ReadOptions(), "e2str_character", new E2str.Part());
        int found = 0;
        boolean good = true;
        for (String line : Files.readAllLines(sizes)) {
            Structure structure = known.get(line.split(" ")[0]);
            if (structure == null) continue;
            found++;
            good &= structure.size() == Integer.parseInt(line.split(" ")[1]);
        }
        check("structures are as large as C's", good && found == known.size());
        var options = new E2str.ReadOptions();
        check("their members are where C has them", options.k == -1 && options.min_similarity == -2
                && options.beams == 1 && options.max_tokens == 48 && options.memory_factor == 1
                && options.textless_from == 0.5f && options.constraint == null);
    }

    private static void reading(E2str.Session session, Path examples) throws Exception {
        int right = 0;
        for (String[] sample : labelled(examples.resolve("images"))) {
            if (session.read(load(sample[0])).text().equals(sample[1])) right++;
        }
        check("reads every sample", right == 10);
        Path open = examples.resolve("images/open.png");
        check("reads a file in memory",
                session.read(E2str.Image.decode(Files.readAllBytes(open))).text().equals("OPEN"));
        check("reads a picture of Java's",
                session.read(E2str.Image.of(ImageIO.read(open.toFile()))).text().equals("OPEN"));
        var options = new E2str.ReadOptions();
        options.alternatives = 3;
        var reading = session.read(load(open.toString()), null, options);
        var text = new StringBuilder();
        reading.characters().forEach(character -> text.append(character.text()));
        check("characters and alternatives", text.toString().equals("OPEN")
                && reading.characters().stream().allMatch(character -> character.alternatives().size() == 3)
                && reading.score() > 0.9 && !reading.truncated());
        try (var digits = E2str.Constraint.pattern("[0-9]{4}")) {
            var year = session.read(load(examples + "/images/2026.png"), null, digits.options());
            check("constraints", digits.matches("1755") && !digits.matches("OPEN") && year.text().equals("2026")
                    && !year.unmatched());
        }
    }

    private static void pools(E2str.Model model, E2str.Session session, Path examples) throws Exception {
        var pool = model.pool();
        for (String[] sample : labelled(examples.resolve("demo/pool"))) pool.add(session, load(sample[0]), sample[1]);
        pool.learn(session);
        List<String[]> queries = labelled(examples.resolve("demo/queries"));
        var threads = Executors.newFixedThreadPool(2);
        List<Future<Integer>> counts = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            counts.add(threads.submit(() -> {
                int right = 0;
                try (var own = model.session(1)) {
                    for (String[] query : queries) {
                        if (own.read(load(query[0]), pool).text().equals(query[1])) right++;
                        System.gc(); // what nobody refers to is given back while others read
                    }
                }
                return right;
            }));
        }
        for (Future<Integer> count : counts) {
            check("reads with a pool in each of two threads", count.get() == queries.size());
        }
        threads.shutdown();
        Path path = Files.createTempFile("e2str", ".pool");
        Files.delete(path);
        pool.save(path);
        var same = model.pool(path);
        Files.delete(path);
        var options = new E2str.ReadOptions();
        options.k = 2;
        var reading = session.read(load(queries.get(0)[0]), same, options);
        check("a pool is saved and loaded", same.size() == 20 && reading.examples().size() == 2);
        same.remove(reading.examples().get(0));
        check("an example is removed", same.size() == 19);
        fails("and is gone", "not found", "", () -> same.remove(reading.examples().get(0)));
        same.close();
        pool.close();
    }

    public static void main(String[] arguments) throws Exception {
        Path examples = Path.of(arguments[0]);
        structures(Path.of(arguments[1]));
        fails("a model that is not there", "io", "none.gguf", () -> E2str.Model.open(Path.of("none.gguf")));
        fails("a picture that is not there", "io", "none.png", () -> load("none.png"));
        fails("a picture that is none", "image", "", () -> E2str.Image.decode(new byte[] {1, 2, 3}));
        fails("a wrong pattern", "argument", "pattern", () -> E2str.Constraint.pattern("["));
        try (var model = E2str.Model.shipped(); var session = model.session(2)) {
            reading(session, examples);
            pools(model, session, examples);
            fails("no threads", "argument", "", () -> model.session(0));
        }
        var closed = E2str.Model.shipped();
        closed.close();
        try {
            closed.pool();
            check("what is closed is not used", false);
        } catch (IllegalStateException closedNow) {
            check("what is closed is not used", true);
        }
        System.exit(failures == 0 ? 0 : 1);
    }
}
