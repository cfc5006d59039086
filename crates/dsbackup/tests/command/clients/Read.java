import java.nio.charset.StandardCharsets;
import java.util.*;
import javax.naming.*;
import javax.naming.directory.*;
import javax.naming.ldap.*;

/**
 * Reads a whole directory through JNDI: Read.java URL [USER]; the password comes from LDAP_PASSWORD.
 *
 * Prints {"objects": {dn: {attribute: [hexadecimal digits, sorted]}}}.
 */
public class Read {
    /** No references to other domains, which JNDI takes for errors (LDAP_SERVER_DOMAIN_SCOPE_OID). */
    static final Control IN_THIS_DOMAIN = new BasicControl("1.2.840.113556.1.4.1339");

    static String user = "reader";

    public static void main(String[] arguments) throws Exception {
        if (arguments.length > 1) {
            user = arguments[1];
        }
        // Octets of all attributes: which are octets, and which are text, JNDI does not know.
        Set<String> names = new TreeSet<>();
        Map<String, Map<String, List<String>>> objects = new TreeMap<>();
        LdapContext context = open(arguments[0], "");
        Attributes root = context.getAttributes("", new String[] {"namingContexts"});
        List<String> bases = new ArrayList<>();
        for (Enumeration<?> all = root.get("namingContexts").getAll(); all.hasMoreElements();) {
            bases.add((String) all.nextElement());
        }
        for (String base : bases) {
            read(context, base, (dn, attribute) -> names.add(attribute.getID()));
        }
        context.close();
        context = open(arguments[0], String.join(" ", names));
        for (String base : bases) {
            read(context, base, (dn, attribute) -> {
                List<String> values = new ArrayList<>();
                for (NamingEnumeration<?> all = attribute.getAll(); all.hasMore();) {
                    Object value = all.next();
                    byte[] bytes = value instanceof byte[] octets
                        ? octets : ((String) value).getBytes(StandardCharsets.UTF_8);
                    values.add(HexFormat.of().formatHex(bytes));
                }
                Collections.sort(values);
                objects.computeIfAbsent(dn, name -> new TreeMap<>()).put(attribute.getID(), values);
            });
        }
        context.close();
        StringBuilder out = new StringBuilder("{\"objects\": {");
        String comma = "";
        for (var object : objects.entrySet()) {
            out.append(comma).append(quoted(object.getKey())).append(": {");
            comma = "";
            for (var attribute : object.getValue().entrySet()) {
                out.append(comma).append(quoted(attribute.getKey())).append(": [\"")
                    .append(String.join("\", \"", attribute.getValue())).append("\"]");
                comma = ", ";
            }
            out.append("}");
            comma = ", ";
        }
        // Whatever the locale.
        System.out.writeBytes(out.append("}}\n").toString().getBytes(StandardCharsets.UTF_8));
        System.out.flush();
    }

    static LdapContext open(String url, String binary) throws NamingException {
        Hashtable<String, String> environment = new Hashtable<>();
        environment.put(Context.INITIAL_CONTEXT_FACTORY, "com.sun.jndi.ldap.LdapCtxFactory");
        environment.put(Context.PROVIDER_URL, url);
        environment.put(Context.SECURITY_AUTHENTICATION, "simple");
        environment.put(Context.SECURITY_PRINCIPAL, user);
        environment.put(Context.SECURITY_CREDENTIALS, System.getenv("LDAP_PASSWORD"));
        environment.put("java.naming.ldap.attributes.binary", binary);
        return new InitialLdapContext(environment, null);
    }

    interface Visit {
        void attribute(String dn, Attribute attribute) throws NamingException;
    }

    static void read(LdapContext context, String base, Visit visit) throws Exception {
        byte[] cookie = null;
        do {
            Control next = new PagedResultsControl(123, cookie, Control.CRITICAL);
            context.setRequestControls(new Control[] {next, IN_THIS_DOMAIN});
            SearchControls controls = new SearchControls();
            controls.setSearchScope(SearchControls.SUBTREE_SCOPE);
            NamingEnumeration<SearchResult> found =
                context.search(new LdapName(base), "(objectClass=*)", controls);
            while (found.hasMore()) {
                SearchResult result = found.next();
                NamingEnumeration<? extends Attribute> all = result.getAttributes().getAll();
                while (all.hasMore()) {
                    visit.attribute(result.getNameInNamespace(), all.next());
                }
            }
            cookie = null;
            for (Control control : context.getResponseControls()) {
                if (control instanceof PagedResultsResponseControl page) {
                    cookie = page.getCookie();
                }
            }
        } while (cookie != null && cookie.length > 0);
    }

    static String quoted(String text) {
        StringBuilder out = new StringBuilder("\"");
        for (char each : text.toCharArray()) {
            if (each == '"' || each == '\\' || each < ' ') {
                out.append(String.format("\\u%04x", (int) each));
            } else {
                out.append(each);
            }
        }
        return out.append('"').toString();
    }
}
